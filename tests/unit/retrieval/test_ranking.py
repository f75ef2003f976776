"""The default reranker: what stands together in a passage counts, what all passages say does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.records import Passage
from twin.retrieval.ranking import IndexOrder, ProximityReranker, evidence, open_reranker, scaled
from twin.text.stems import terms


def passage(text: str, *, similarity: float = 0.5, bm25: float | None = 1.0, title: str = "") -> Passage:
    return Passage(
        chunk_id=text,
        document_id="d",
        text=text,
        heading_path=[],
        title=title,
        url="u",
        author="a",
        score=0.0,
        similarity=similarity,
        bm25=bm25,
    )


def test_words_are_compared_by_their_stem_in_any_case_and_script() -> None:
    assert terms("Chunks, chunk; PUBLISHED publishes 3.5") == ["chunk", "chunk", "publis", "publis", "3", "5"]
    assert terms("索引 index") == ["索", "引", "index"]
    assert terms("s as") == ["s", "a"]
    assert terms("") == []


def test_question_words_that_stand_together_beat_the_same_words_apart() -> None:
    apart = passage("The vector of a plane " + "filler " * 40 + "the library index")
    together = passage("The vector index " + "filler " * 40 + "of a plane library")
    ranked = ProximityReranker().rerank("vector index", [apart, together])
    assert [shown.text for shown in ranked] == [together.text, apart.text]


def test_a_word_that_all_passages_have_counts_less_than_one_that_tells_them_apart() -> None:
    first, second = evidence("twin rollback", [passage("twin twin publishes"), passage("rollback of the twin")])
    assert second.together > 2 * first.together


def test_a_question_whose_words_nobody_has_tells_nothing() -> None:
    assert [found.together for found in evidence("sourdough", [passage("index"), passage("chunk")])] == [0.0, 0.0]
    assert evidence("", [passage("index")])[0].pairs == 0.0


def test_the_title_is_part_of_the_passage() -> None:
    titled, untitled = evidence("rollback index", [passage("how it goes", title="Rollback index"), passage("how")])
    assert titled.together > untitled.together


def test_without_words_in_common_the_similarity_decides() -> None:
    near, far = passage("alpha", similarity=0.6, bm25=None), passage("beta", similarity=0.2, bm25=None)
    assert ProximityReranker().rerank("gamma", [far, near])[0].text == "alpha"


def test_scores_lie_between_0_and_1_best_first() -> None:
    ranked = ProximityReranker().rerank("index vector", [passage(f"index {n}", similarity=n / 10) for n in range(9)])
    scores = [shown.score for shown in ranked]
    assert scores == sorted(scores, reverse=True)
    assert all(0.0 <= score <= 1.0 for score in scores)


def test_equal_passages_keep_the_order_of_the_index() -> None:
    alike = [passage("same words"), passage("same words too"), passage("same words three")]
    assert [shown.text for shown in ProximityReranker().rerank("nothing", alike)] == [one.text for one in alike]


@pytest.mark.parametrize(
    ("values", "expected"), [([], []), ([3.0], [0.0]), ([2.0, 2.0], [0.0, 0.0]), ([1.0, 3.0, 2.0], [0.0, 1.0, 0.5])]
)
def test_values_are_stretched_over_0_to_1(values: list[float], expected: list[float]) -> None:
    assert scaled(values) == expected


@given(st.text(max_size=80), st.lists(st.text(max_size=120), max_size=6))
def test_reranking_loses_and_invents_no_passage(question: str, texts: list[str]) -> None:
    passages = [passage(text) for text in texts]
    ranked = ProximityReranker().rerank(question, passages)
    assert sorted(shown.text for shown in ranked) == sorted(texts)
    for found in evidence(question, passages):
        assert 0.0 <= found.pairs <= 1.0 + 1e-9
        assert 0.0 <= found.together <= 1.0 + 1e-9


def test_the_setting_picks_the_reranker() -> None:
    assert isinstance(open_reranker(None), ProximityReranker)
    assert isinstance(open_reranker("None"), IndexOrder)
    assert open_reranker("/models/small").name == "cross-encoder small"
    order = [passage("b", similarity=0.1), passage("a", similarity=0.9)]
    assert open_reranker("none").rerank("a", order) == order
