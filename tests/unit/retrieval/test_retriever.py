"""The steps of a search on a fake index: understood, filtered, loosened, reranked, judged; and who answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest
from msgspec.structs import replace

from twin.errors import UnknownAuthor
from twin.features.index import EVERYTHING, Facets, Filters, Span
from twin.records import Passage
from twin.retrieval.ranking import IndexOrder, ProximityReranker
from twin.retrieval.retriever import Retriever, best_author
from twin.retrieval.rewriting import Rewriting, Wish

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = datetime(2026, 11, 24, tzinfo=UTC)
FACETS = Facets(
    authors={"Ada Lovelace": 3, "Bob Stone": 2},
    kinds={"article": 5},
    platforms={"medium.com": 3, "example.com": 2},
    languages={},
    published_from=datetime(2022, 1, 1, tzinfo=UTC),
    published_until=datetime(2026, 6, 1, tzinfo=UTC),
)


def passage(name: str, *, author: str = "Ada Lovelace", score: float = 1.0, document: str | None = None) -> Passage:
    return Passage(
        chunk_id=name,
        document_id=document or name,
        text=name,
        heading_path=[],
        title="T",
        url="u",
        author=author,
        score=score,
        similarity=0.5,
        bm25=3.0,
    )


class Embedder:
    name = "sentence-transformers/all-MiniLM-L6-v2"

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[float(len(text)), 0.0] for text in texts], dtype=np.float32)

    def truncate(self, text: str) -> str:
        return text[:4]


@dataclass
class Index:
    """Finds its passages, by filters that it is told to find nothing for."""

    passages: list[Passage] = field(default_factory=lambda: [passage("a"), passage("b", author="Bob Stone")])
    nothing_published_on: str = ""
    live: str = "g1"
    searches: list[tuple[str, list[float], int, Filters]] = field(default_factory=list)
    facets_read: int = 0
    authors: dict[str, int] = field(default_factory=lambda: FACETS.authors)

    def search(self, text: str, vector: np.ndarray, k: int, *, filters: Filters = EVERYTHING) -> list[Passage]:
        self.searches.append((text, vector.tolist(), k, filters))
        if self.nothing_published_on and self.nothing_published_on in filters.platforms:
            return []
        return [found for found in self.passages if not filters.authors or found.author in filters.authors]

    def facets(self) -> Facets:
        self.facets_read += 1
        return replace(FACETS, authors=self.authors)

    def count(self) -> int:
        return 1000

    def neighbours(self, spans: Sequence[Span]) -> list[list[Passage]]:
        return [[] for _ in spans]

    def generation(self) -> str | None:
        return self.live


def retriever(index: Index) -> Retriever:
    return Retriever(Embedder, lambda: index, clock=lambda: NOW)


def test_a_search_asks_the_index_with_all_words_and_the_vector_of_those_that_fit() -> None:
    index = Index()
    retriever(index).search("more than four", 3)
    assert index.searches == [("more than four", [4.0, 0.0], ProximityReranker.depth, EVERYTHING)]


def test_more_passages_than_are_reranked_may_be_asked_for() -> None:
    index = Index([passage(f"p{number}") for number in range(50)])
    assert len(retriever(index).search("q", 50)) == 50


def test_the_order_is_that_of_the_relevance_that_is_shown_also_where_a_document_exceeds_its_share() -> None:
    likenesses = [0.2, 0.9, 0.5, 0.7, 0.3, 0.8]
    found = [
        replace(passage(f"p{place}", document="d" if place else "e"), similarity=likeness)
        for place, likeness in enumerate(likenesses)
    ]
    shown = retriever(Index(found)).search("q", 6)
    assert len(shown) == 6
    relevances = [one.relevance or 0.0 for one in shown]
    assert relevances == sorted(relevances, reverse=True)


def test_an_author_whom_the_question_asks_is_a_filter_and_not_a_word_to_search_for() -> None:
    index = Index()
    found = retriever(index).retrieve("What does Bob Stone think of chunks?", 4)
    assert [(text, filters.authors) for text, _, _, filters in index.searches] == [
        ("What does think of chunks?", ("Bob Stone",))
    ]
    assert [shown.author for shown in found.passages] == ["Bob Stone"]
    assert found.authors == ["Bob Stone"]
    restriction = found.interpretation.restrictions[0]
    assert (restriction.field, restriction.text, restriction.means, restriction.applied) == (
        "author", "Bob Stone", "Bob Stone", True,
    )  # fmt: skip


def test_the_authors_are_those_of_the_generation_that_is_live() -> None:
    index = Index(authors={"Bob Stone": 9, "Ada Lovelace": 3})
    searching = retriever(index)
    assert searching.authors() == ["Ada Lovelace", "Bob Stone"]
    assert (searching.author("ada-lovelace"), index.facets_read) == ("Ada Lovelace", 1)
    with pytest.raises(UnknownAuthor, match=r"“Cleo”.*Ada Lovelace, Bob Stone"):
        searching.author("Cleo")
    index.authors, index.live = {"Cleo": 1}, "g2"
    assert (searching.authors(), searching.author("cleo")) == (["Cleo"], "Cleo")
    with pytest.raises(UnknownAuthor, match="Known: Cleo"):
        searching.author("Ada Lovelace")


def test_an_only_author_is_told_as_the_one_who_was_searched() -> None:
    assert retriever(Index(authors={"Ada Lovelace": 2})).retrieve("chunks", 4).authors == ["Ada Lovelace"]
    assert retriever(Index()).retrieve("chunks", 4).authors == []


def test_a_named_author_wins_over_whom_the_question_mentions() -> None:
    index = Index()
    found = retriever(index).retrieve("What does Bob Stone think of chunks?", 4, author="Ada Lovelace")
    assert index.searches[0][0] == "What does Bob Stone think of chunks?"
    assert index.searches[0][3].authors == ("Ada Lovelace",)
    assert found.interpretation.restrictions == []


def test_a_named_author_without_passages_is_not_told_as_given_up() -> None:
    index = Index([passage("a")])
    found = retriever(index).retrieve("What does Bob Stone think of chunks?", 4, author="Bob Stone")
    assert found.passages == []
    assert [(part.field, part.applied) for part in found.interpretation.restrictions] == [("author", True)]
    assert {filters.authors for _, _, _, filters in index.searches} == {("Bob Stone",)}


def test_a_restriction_that_leaves_nothing_is_given_up_and_told() -> None:
    index = Index(nothing_published_on="medium.com")
    found = retriever(index).retrieve("What did Bob Stone write on Medium about chunks in 2023?", 4)
    applied = {part.field: part.applied for part in found.interpretation.restrictions}
    assert applied == {"author": True, "published": True, "platform": False}
    assert [(text, filters.platforms) for text, _, _, filters in index.searches] == [
        ("What did write about chunks?", ("medium.com",)),
        ("What did write on Medium about chunks?", ()),
    ]
    assert found.passages
    assert found.interpretation.text == "What did write on Medium about chunks?"


def test_an_empty_index_gives_up_everything_it_may_and_finds_nothing() -> None:
    index = Index([])
    found = retriever(index).retrieve("What did Bob Stone write last year?", 4)
    assert found.passages == []
    assert [filters for *_, filters in index.searches][-1] == EVERYTHING


def test_what_the_index_holds_is_read_once_for_each_generation() -> None:
    index = Index()
    searching = retriever(index)
    searching.search("q", 1)
    searching.search("q", 1)
    assert index.facets_read == 1
    index.live = "g2"
    assert searching.retrieve("q", 1).generation == "g2"
    assert index.facets_read == 2


def test_every_passage_says_how_likely_it_is_about_the_question() -> None:
    far = replace(passage("far"), similarity=0.05, bm25=None)
    near, other = retriever(Index([far, passage("near")])).search("near chunks", 2)
    assert (near.chunk_id, other.chunk_id) == ("near", "far")
    assert near.relevance is not None
    assert other.relevance is not None
    assert 0.0 <= other.relevance < 0.15 < near.relevance <= 1.0


def test_one_document_does_not_fill_the_answer_while_there_are_others() -> None:
    many = [passage(f"same{number}", document="same", score=1.0 - number / 10) for number in range(4)]
    index = Index([*many, passage("other", score=0.1)])
    found = Retriever(Embedder, lambda: index, reranker=IndexOrder()).search("q", 4)
    assert [shown.chunk_id for shown in found] == ["same0", "same1", "other", "same2"]


def test_other_wordings_are_searched_too_and_fused() -> None:
    index = Index()
    found = retriever(index).retrieve("chunks", 4, rewriting=Rewriting(queries=("passages",), notes=("slow",)))
    assert [text for text, *_ in index.searches] == ["chunks", "passages"]
    assert [shown.chunk_id for shown in found.passages] == ["a", "b"]
    assert (found.interpretation.queries, found.interpretation.notes) == (["passages"], ["slow"])


def test_what_a_model_read_from_the_question_counts_where_the_rules_found_nothing() -> None:
    wish = Wish(author="Bob Stone", published_from=datetime(2024, 1, 1, tzinfo=UTC))
    index = Index()
    found = retriever(index).retrieve("What does Ada Lovelace say of chunks?", 4, rewriting=Rewriting(wish=wish))
    filters = index.searches[0][3]
    assert filters.authors == ("Ada Lovelace",)
    assert filters.published_from == wish.published_from
    assert [part.means for part in found.interpretation.restrictions] == ["Ada Lovelace", "since 2024-01-01"]


def test_the_author_of_the_best_passages_answers() -> None:
    passages = [passage("a", score=0.5), passage("b", author="Bob Stone", score=0.3)]
    assert best_author([*passages, passage("c", author="Bob Stone", score=0.3)]) == "Bob Stone"
    assert best_author(passages) == "Ada Lovelace"
    with pytest.raises(ValueError, match="empty"):
        best_author([])
