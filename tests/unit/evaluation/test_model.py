from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from twin.errors import SettingsError
from twin.evaluation.losses import SampleLoss
from twin.evaluation.model import (
    AuthorScores,
    Example,
    ModelScores,
    Perplexity,
    StyleScores,
    answer,
    chrf,
    evaluate,
    held_out,
    perplexity,
    style_scores,
)
from twin.prompts import answer_messages
from twin.records import InstructSample
from twin.serving.client import Completion

if TYPE_CHECKING:
    from pathlib import Path


def instruct(number: int, author: str, *, split: str = "test") -> InstructSample:
    return InstructSample(
        id=f"{author}-{number}",
        instruction=f"question {number}",
        answer=f"answer {number}",
        author=author,
        document_id="d",
        chunk_id="c",
        split="test" if split == "test" else "train",
        context=["a passage"],
        writer="base",
    )


class Parrot:
    """A model that always says one thing."""

    def __init__(self, text: str) -> None:
        self.text = text

    def complete(self, messages: object, *, max_tokens: int, temperature: float) -> Completion:
        assert temperature == 0.0
        return Completion(text=self.text, prompt_tokens=1, completion_tokens=1, finish_reason="stop", model="parrot")


def test_perplexity_is_of_all_tokens_together() -> None:
    losses = [
        SampleLoss(id="1", author="a", tokens=1, base=math.log(8), tuned=math.log(4)),
        SampleLoss(id="2", author="a", tokens=3, base=3 * math.log(8), tuned=3 * math.log(2)),
    ]
    scores = perplexity(losses)
    assert scores.base == pytest.approx(8)
    assert scores.tuned == pytest.approx(2 ** (5 / 4))
    assert (scores.samples, scores.tokens) == (2, 4)
    assert scores.gain == pytest.approx(1 - 2 ** (5 / 4) / 8)


def test_held_out_questions_take_the_authors_in_turn_and_never_training_samples() -> None:
    samples = [instruct(i, "ada") for i in range(5)] + [instruct(9, "bob")]
    samples += [instruct(i, "cyd", split="train") for i in range(5)]
    chosen = held_out(samples, limit=4)
    assert [question.author for question in chosen] == ["ada", "bob", "ada", "ada"]
    assert held_out(reversed(samples), limit=4) == chosen
    assert chosen[1].prompt == answer_messages("question 9", "bob", ["a passage"])


def test_both_models_answer_and_the_answers_stand_beside_the_authors_words() -> None:
    questions = held_out([instruct(1, "ada")], limit=1)
    seen: list[int | None] = []
    examples = answer(questions, Parrot("base says"), Parrot("tuned says"), lambda progress: seen.append(progress.step))
    assert examples == [
        Example(instruction="question 1", author="ada", reference="answer 1", base="base says", tuned="tuned says")
    ]
    assert seen == [1]


def test_nothing_held_out_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    parrot = Parrot("")
    with pytest.raises(SettingsError, match="TRAINING_TEST_SHARE"):
        evaluate(
            [], base=tmp_path, adapter=tmp_path, base_client=parrot, tuned_client=parrot, author_texts={}, work=tmp_path
        )


def test_chrf_knows_the_authors_own_words() -> None:
    assert chrf(["the author's own words"], ["the author's own words"]) == pytest.approx(100)
    assert chrf(["zzz qqq"], ["the author's own words"]) < 5
    assert chrf([], []) == 0.0


def test_style_needs_enough_text_of_everyone() -> None:
    assert style_scores(["too short"], []) is None


SCORES = ModelScores(
    perplexity=Perplexity(base=20.0, tuned=15.0, samples=2, tokens=400),
    authors={
        "ada": AuthorScores(
            perplexity=Perplexity(base=20.0, tuned=15.0, samples=1, tokens=200),
            style=StyleScores(base=0.5, tuned=0.6, reference=0.7),
        ),
        "bob": AuthorScores(perplexity=Perplexity(base=20.0, tuned=15.0, samples=1, tokens=200)),
    },
    chrf_base=10.0,
    chrf_tuned=20.0,
    examples=[Example(instruction="why | how", author="ada", reference="r" * 500, base="b\n\nb", tuned="t")],
    seconds=1.0,
)


def test_scores_become_flat_metadata() -> None:
    facts = SCORES.as_metadata()
    assert facts["perplexity_gain"] == 0.25
    assert facts["style_tuned"] == 0.6
    assert all(isinstance(value, int | float | str) for value in facts.values())
    assert [row["author"] for row in SCORES.authors_table()] == ["ada", "bob"]


def test_examples_become_rows_of_one_markdown_table() -> None:
    header, rule, row = SCORES.examples_table().splitlines()
    assert header.count("|") == rule.count("|") == 5
    assert "why \\| how" in row
    assert "b b" in row
    assert "r" * 280 + "…" in row
