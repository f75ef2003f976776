"""Passages from more than one document, and neighbours read as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from twin.records import Passage, chunk_id
from twin.retrieval.diversity import spread
from twin.retrieval.merging import merge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.features.index import Span


def chunk(document: str, ordinal: int | None, *, words: int = 3, score: float = 0.0, revision: int = 1) -> Passage:
    return Passage(
        chunk_id=chunk_id(document, revision, ordinal or 0),
        document_id=document,
        text=" ".join([f"{document}{ordinal}"] * words),
        heading_path=[],
        title="T",
        url="u",
        author="a",
        score=score,
        revision=None if ordinal is None else revision,
        ordinal=ordinal,
    )


class Documents:
    """Gives the chunks of documents that have ten chunks of three words each."""

    def __init__(self) -> None:
        self.asked: list[Sequence[Span]] = []

    def __call__(self, spans: Sequence[Span]) -> list[list[Passage]]:
        self.asked.append(spans)
        return [
            [chunk(span.document_id, place) for place in range(span.first, span.last + 1) if 0 <= place < 10]
            for span in spans
        ]


def test_what_exceeds_the_cap_moves_behind_the_other_documents() -> None:
    ranked = [chunk("a", 0), chunk("a", 1), chunk("a", 2), chunk("b", 0)]
    assert spread(ranked, 4, per_document=2) == [ranked[0], ranked[1], ranked[3], ranked[2]]
    assert spread(ranked, 3, per_document=2) == [ranked[0], ranked[1], ranked[3]]


def test_a_document_alone_may_fill_the_answer() -> None:
    ranked = [chunk("a", place) for place in range(5)]
    assert spread(ranked, 4, per_document=2) == ranked[:4]


def test_the_same_words_are_shown_once() -> None:
    first = chunk("a", 0)
    copy = replace(first, document_id="b")
    assert spread([first, copy, chunk("c", 0)], 3, per_document=2) == [first, chunk("c", 0)]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), unique=True, max_size=20), st.integers(1, 12))
def test_the_first_stays_first_and_nothing_is_lost_while_there_is_room(keys: list[tuple[str, int]], k: int) -> None:
    ranked = [chunk(document, place) for document, place in keys]
    chosen = spread(ranked, k, per_document=2)
    assert len(chosen) == min(k, len(ranked))
    assert chosen[:1] == ranked[:1]


def test_neighbours_are_joined_in_their_order_at_the_place_of_the_best() -> None:
    best, other, before = chunk("a", 4, score=0.9), chunk("b", 0, score=0.5), chunk("a", 3, score=0.1)
    joined, alone = merge([best, other, before], Documents(), words=300)
    assert joined.text == f"{before.text}\n\n{best.text}"
    assert (joined.chunk_id, joined.score, joined.ordinal) == (best.chunk_id, 0.9, 3)
    assert joined.merged == [before.chunk_id, best.chunk_id]
    assert alone == other


def test_a_single_chunk_between_two_is_fetched_while_there_is_room() -> None:
    documents = Documents()
    first, third = chunk("a", 1), chunk("a", 3)
    (joined,) = merge([third, first], documents, words=9)
    assert joined.merged == [chunk_id("a", 1, place) for place in (1, 2, 3)]
    assert merge([third, first], documents, words=8) == [third, first]


def test_what_the_prompt_has_no_room_for_is_not_pulled_up_by_a_better_neighbour() -> None:
    best, second, third = chunk("a", 1), chunk("b", 1), chunk("a", 2)
    assert merge([best, second, third], Documents(), words=6) == [best, second, third]
    assert len(merge([best, second, third], Documents(), words=7)) == 2


def test_nothing_is_fetched_where_nothing_is_missing() -> None:
    documents = Documents()
    merge([chunk("a", 1), chunk("a", 2), chunk("b", 5), chunk("b", 9)], documents, words=300)
    assert documents.asked == []


def test_passages_of_different_revisions_are_never_joined() -> None:
    old, new = chunk("a", 1, revision=1), chunk("a", 2, revision=2)
    assert merge([old, new], Documents(), words=300) == [old, new]


def test_a_passage_that_does_not_know_its_place_stays_alone() -> None:
    unknown = chunk("a", None)
    assert merge([unknown, chunk("a", 1)], Documents(), words=300) == [unknown, chunk("a", 1)]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), unique=True, max_size=12))
def test_joining_loses_no_passage_and_repeats_none(keys: list[tuple[str, int]]) -> None:
    passages = [chunk(document, place) for document, place in keys]
    shown = [key for one in merge(passages, Documents(), words=300) for key in one.merged or [one.chunk_id]]
    assert len(shown) == len(set(shown))
    assert set(shown) >= {one.chunk_id for one in passages}
