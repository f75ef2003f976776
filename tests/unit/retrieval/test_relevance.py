"""Whether anything is relevant: the probability behind the decision, and the decision."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from twin.records import Passage
from twin.retrieval.relevance import (
    CALIBRATIONS,
    FALLBACK,
    by_relevance,
    calibration_of,
    relevant,
    with_relevance,
    word_share,
)

MINILM = CALIBRATIONS["sentence-transformers/all-MiniLM-L6-v2"]


def passage(similarity: float | None, bm25: float | None = None, *, relevance: float | None = None) -> Passage:
    return Passage(
        chunk_id="c", document_id="d", text="t", heading_path=[], title="", url="", author="a", score=0.0,
        similarity=similarity, bm25=bm25, relevance=relevance,
    )  # fmt: skip


def test_more_similarity_and_more_words_are_more_likely() -> None:
    assert MINILM.probability(0.5, 0.5) > MINILM.probability(0.3, 0.5) > MINILM.probability(0.3, 0.1)
    assert 0.0 < MINILM.probability(-1.0, 0.0) < MINILM.probability(1.0, 1.4) < 1.0


def test_a_very_close_passage_is_relevant_without_a_word_in_common() -> None:
    assert MINILM.probability(0.6, 0.0) > 0.15 > MINILM.probability(0.3, 0.0)


def test_without_words_that_are_known_the_cosine_decides() -> None:
    assert MINILM.probability(0.45, None) > 0.15 > MINILM.probability(0.15, None)


def test_an_unknown_model_is_judged_by_words_and_refuses_no_question_without_them() -> None:
    assert calibration_of("some/other-model") is FALLBACK
    assert FALLBACK.probability(0.99, 0.0) < 0.15 < FALLBACK.probability(0.0, 0.7)
    assert FALLBACK.probability(0.0, None) > 0.15


def test_a_variant_of_a_known_model_has_its_calibration() -> None:
    assert calibration_of("sentence-transformers/all-MiniLM-L6-v2 int8") is MINILM


def test_the_share_of_words_does_not_depend_on_the_size_of_the_index() -> None:
    assert word_share(None, 3, 100) == 0.0
    assert word_share(2.0, 0, 100) is None
    assert word_share(7.0, 1, 1_000_000) == pytest.approx(0.52, abs=0.01)
    assert word_share(1.2, 1, 5) == pytest.approx(0.87, abs=0.01)
    assert (word_share(1.0, 1, 0) or 0.0) > 0.0


def test_passages_get_the_probability_of_their_own_figures() -> None:
    near, far = with_relevance("chunk headings", [passage(0.6, 12.0), passage(0.1)], MINILM, indexed=200)
    assert near.relevance == MINILM.probability(0.6, word_share(12.0, 2, 200))
    assert far.relevance == MINILM.probability(0.1, 0.0)


def test_words_of_the_question_that_stand_together_make_a_passage_likelier() -> None:
    together, apart = (
        replace(passage(0.4, 6.0), text=text) for text in ("about chunk headings", "a chunk without any headings")
    )
    found = with_relevance("chunk headings", [together, apart], MINILM, indexed=200)
    assert (found[0].relevance or 0.0) > (found[1].relevance or 0.0)


def test_a_page_that_quotes_the_question_does_not_come_before_the_passage_that_answers_it() -> None:
    """The first search of the guide, with the figures that it had."""
    quotes = replace(passage(0.11, 3.3), chunk_id="q", text='Run `llm-twin search "how are passages cut"` first.')
    answers = replace(passage(0.48, 3.9), chunk_id="a", text="Passages are made by cutting along the headings.")
    found = by_relevance(with_relevance("how are passages cut", [quotes, answers], MINILM, indexed=200))
    assert [shown.chunk_id for shown in found] == ["a", "q"]
    assert [shown.score for shown in found] == [shown.relevance for shown in found]


def test_what_is_less_likely_than_the_least_is_left_out() -> None:
    likely, unlikely, unknown = passage(0.4, relevance=0.6), passage(0.4, relevance=0.1), passage(0.4)
    assert relevant([unlikely, likely, unknown], 0.15) == [likely]
    assert relevant([unlikely, unknown], 0.15) == []
    assert relevant([unlikely, unknown], 0.0) == [unlikely, unknown]


def test_a_least_similarity_may_be_asked_for_besides() -> None:
    likely = passage(0.4, relevance=0.6)
    assert relevant([likely], 0.15, 0.5) == []
    assert relevant([likely, replace(likely, similarity=None)], 0.15, 0.3) == [likely]
