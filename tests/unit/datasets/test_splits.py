"""The split by document."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twin.datasets.splits import HeldOutText, held_out_documents
from twin.records import Chunk

AUTHORS = st.dictionaries(st.uuids().map(str), st.sampled_from(["Ada", "Bea", "Cy"]), max_size=40)
WORDS = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
]


def a_chunk(text: str) -> Chunk:
    return Chunk(
        id=text, document_id="d", revision=1, ordinal=0, text=text, token_count=1, title="", url="u", author="Ada"
    )


@given(AUTHORS, st.floats(0.05, 0.95), st.integers())
def test_every_author_of_two_documents_has_both_sides(authors: dict[str, str], share: float, seed: int) -> None:
    held_out = held_out_documents(authors, share, seed)
    for author in set(authors.values()):
        own = {document for document, name in authors.items() if name == author}
        assert len(own) < 2 or 0 < len(own & held_out) < len(own)
        assert len(own) > 1 or not own & held_out, "a single document is for training"


@given(AUTHORS, st.uuids().map(str))
def test_a_new_document_moves_at_most_one_other_of_its_author(authors: dict[str, str], new: str) -> None:
    before = held_out_documents(authors, 0.5, seed=1)
    after = held_out_documents({**authors, new: "Ada"}, 0.5, seed=1)
    moved = (before ^ after) - {new}
    assert len(moved) <= 1
    assert all(authors[document] == "Ada" for document in moved)


def test_among_many_documents_none_changes_sides_when_one_comes() -> None:
    authors = {f"document-{number}": "Ada" for number in range(100)}
    before = held_out_documents(authors, 0.2, seed=42)
    assert 10 <= len(before) <= 30
    for number in range(50):
        after = held_out_documents({**authors, f"new-{number}": "Ada"}, 0.2, seed=42)
        assert after - {f"new-{number}"} == before


def test_passages_that_repeat_held_out_text_are_dropped() -> None:
    held_out = " ".join(WORDS)
    copy = a_chunk("Quite another beginning, and then: " + held_out.title())
    apart = a_chunk("one three five seven nine eleven thirteen fifteen two four six eight ten twelve fourteen")
    near = a_chunk(" ".join(f"w{number}" for number in range(60)) + " " + " ".join(WORDS[:8]))
    short_copy = a_chunk("Nothing new.")
    known = HeldOutText([held_out, "nothing new"])
    assert [chunk for chunk in (copy, apart, near, short_copy) if not known.is_in(chunk.text)] == [apart, near]
    around = " ".join(f"word{number}" for number in range(500))
    assert known.is_in(f"{around} {held_out} {around}"), "a long text may hold all of a short one"
