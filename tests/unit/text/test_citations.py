"""Sentences are matched to passages by their content words and numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.text.citations import cite, sentences

CHUNKS = "A chunk follows the headings of its document and never exceeds 256 tokens."
INDEX = "The index is published as a whole generation, and readers switch to it atomically."


def test_each_sentence_names_the_passage_that_says_it() -> None:
    cited = cite(
        "The chunks follow document headings. Readers switch atomically to a published generation!", [CHUNKS, INDEX]
    )
    assert [(sentence.sources, sentence.supported) for sentence in cited] == [([1], True), ([2], True)]


def test_an_invention_is_marked() -> None:
    (sentence,) = cite("Bananas are rich in potassium.", [CHUNKS, INDEX])
    assert (sentence.sources, sentence.supported) == ([], False)


def test_a_wrong_number_is_not_supported_however_well_the_words_fit() -> None:
    right, wrong = cite("A chunk never exceeds 256 tokens. A chunk never exceeds 512 tokens.", [CHUNKS])
    assert right.supported
    assert not wrong.supported


def test_a_sentence_said_by_two_passages_names_both_best_first() -> None:
    (sentence,) = cite("Chunks follow headings.", ["Chunks follow headings, yes.", "Other things.", CHUNKS])
    assert sentence.sources == [1, 3]


def test_citation_marks_that_a_model_writes_count_for_nothing() -> None:
    (sentence,) = cite("Chunks follow headings [2].", [CHUNKS, INDEX])
    assert sentence.sources == [1]


def test_without_passages_nothing_that_says_something_is_supported() -> None:
    assert [sentence.supported for sentence in cite("Yes. Chunks follow headings.", [])] == [True, False]


def test_text_without_spaces_is_compared_too() -> None:
    (same, other) = cite("索引は公開されます。猫は眠ります。", ["索引は公開されます。読者は切り替えます。"])
    assert same.sources == [1]
    assert not other.supported


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("One. Two!", ["One. ", "Two!"]),
        ("Use it, e.g. Here. Version 3.5 is out", ["Use it, e.g. Here. ", "Version 3.5 is out"]),
        ("- one\n- two", ["- one\n", "- two"]),
        ('He said "no." Then left.', ['He said "no." ', "Then left."]),
    ],
)
def test_sentences_end_where_a_reader_says(text: str, pieces: list[str]) -> None:
    assert sentences(text) == pieces


@given(st.text(alphabet=st.sampled_from('ab A.!?\n") 。e.g.1'), max_size=80))
def test_no_character_of_an_answer_is_lost(text: str) -> None:
    assert "".join(sentences(text)) == text
    assert "".join(sentence.text for sentence in cite(text, [CHUNKS])) == text


@given(st.text(), st.lists(st.text(), max_size=4))
def test_sources_are_numbers_of_given_passages(answer: str, passages: list[str]) -> None:
    for sentence in cite(answer, passages):
        assert set(sentence.sources) <= set(range(1, len(passages) + 1))
        assert sentence.supported or not sentence.sources
