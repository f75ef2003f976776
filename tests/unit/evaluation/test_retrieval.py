"""Retrieval scores against values computed by hand."""

from __future__ import annotations

import math

import pytest

from twin.evaluation.retrieval import Question, evaluate, hits
from twin.records import Passage


def passage(chunk: str, document: str = "d") -> Passage:
    return Passage(
        chunk_id=chunk, document_id=document, text="", heading_path=[], title="", url="", author="Ada", score=1.0
    )


def searching(answers: dict[str, list[Passage]]):
    return lambda text, _author: answers[text]


def test_a_relevant_passage_in_first_place_scores_one_everywhere():
    scores = evaluate([Question(text="q", relevant=frozenset({"a"}))], searching({"q": [passage("a"), passage("b")]}))
    assert scores.recall == {1: 1.0, 4: 1.0, 10: 1.0}
    assert (scores.mrr, scores.ndcg) == (1.0, 1.0)


def test_scores_follow_the_rank_of_the_relevant_passages():
    found = [passage("x"), passage("a"), passage("y"), passage("z"), passage("b")]
    scores = evaluate([Question(text="q", relevant=frozenset({"a", "b"}))], searching({"q": found}))
    assert scores.recall == {1: 0.0, 4: 0.5, 10: 1.0}
    assert scores.mrr == 0.5
    gained = 1 / math.log2(3) + 1 / math.log2(6)
    assert scores.ndcg == pytest.approx(gained / (1 + 1 / math.log2(3)))


def test_nothing_relevant_found_scores_zero():
    scores = evaluate([Question(text="q", relevant=frozenset({"a"}))], searching({"q": [passage("x")]}))
    assert (scores.recall[10], scores.mrr, scores.ndcg) == (0.0, 0.0, 0.0)


def test_what_lies_deeper_than_ten_does_not_count():
    found = [passage(f"x{rank}") for rank in range(10)] + [passage("a")]
    scores = evaluate([Question(text="q", relevant=frozenset({"a"}))], searching({"q": found}))
    assert (scores.recall[10], scores.mrr, scores.ndcg) == (0.0, 0.0, 0.0)


def test_a_document_counts_once_however_many_of_its_passages_are_found():
    found = [passage("c1", "doc"), passage("c2", "doc"), passage("c3", "other")]
    assert hits(found, frozenset({"doc", "other"})) == [1, 0, 1]


def test_the_ideal_of_more_than_ten_relevant_passages_is_ten():
    relevant = frozenset(f"a{number}" for number in range(20))
    found = [passage(f"a{number}") for number in range(10)]
    scores = evaluate([Question(text="q", relevant=relevant)], searching({"q": found}))
    assert scores.ndcg == pytest.approx(1.0)
    assert scores.recall[10] == 0.5


def test_every_author_has_scores_of_their_own_and_is_searched_alone():
    asked: list[tuple[str, str | None]] = []

    def search(text: str, author: str | None) -> list[Passage]:
        asked.append((text, author))
        return [passage("a")]

    questions = [
        Question(text="1", author="Ada", relevant=frozenset({"a"})),
        Question(text="2", author="Bob", relevant=frozenset({"b"})),
        Question(text="3", relevant=frozenset({"a"})),
    ]
    scores = evaluate(questions, search)
    assert asked == [("1", "Ada"), ("2", "Bob"), ("3", None)]
    assert {author: part.mrr for author, part in scores.by_author.items()} == {"Ada": 1.0, "Bob": 0.0}
    assert scores.mrr == pytest.approx(2 / 3)
    metadata = scores.as_metadata()
    assert metadata["questions"] == 3
    assert metadata["recall@1/Bob"] == 0.0
    assert metadata["mrr@10"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("questions", [[], [Question(text="q", relevant=frozenset())]])
def test_scores_of_no_answers_are_refused(questions):
    with pytest.raises(ValueError, match="at least one"):
        evaluate(questions, lambda _text, _author: [])
