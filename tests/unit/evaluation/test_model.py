from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

import pytest

from tests.unit.evaluation import models
from twin.errors import SettingsError
from twin.evaluation import measures, tables
from twin.evaluation.answers import Answer, ask, prompts_of
from twin.evaluation.comparison import perplexities, perplexity
from twin.evaluation.held_out import held_out
from twin.evaluation.losses import SampleLoss
from twin.evaluation.measures import Trained
from twin.evaluation.model import EXAMPLES, Said, score
from twin.evaluation.remembered import remembered
from twin.prompts import answer_messages
from twin.records import InstructSample
from twin.serving.client import Completion

if TYPE_CHECKING:
    from collections.abc import Sequence


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
    """A model that says its question, once `at_once` others are asked too."""

    def __init__(self, at_once: int = 1) -> None:
        self._together = threading.Barrier(at_once, timeout=20)

    def complete(self, messages: Sequence[dict[str, str]], *, max_tokens: int, temperature: float) -> Completion:
        assert temperature == 0.0
        self._together.wait()
        text = messages[-1]["content"]
        return Completion(text=text, prompt_tokens=1, completion_tokens=3, finish_reason="length", model="parrot")


# Questions and answers


def test_held_out_questions_take_the_authors_in_turn_and_never_training_samples() -> None:
    samples = [instruct(i, "ada") for i in range(5)] + [instruct(9, "bob")]
    samples += [instruct(i, "cyd", split="train") for i in range(5)]
    chosen = held_out(samples, limit=4)
    assert [question.author for question in chosen] == ["ada", "bob", "ada", "ada"]
    assert held_out(reversed(samples), limit=4) == chosen
    assert chosen[1].prompt == answer_messages("question 9", "bob", ["a passage"])
    assert chosen[1].passages == ["a passage"]


def test_a_question_without_passages_is_asked_alone_only() -> None:
    found = held_out(
        [instruct(1, "ada"), instruct(2, "ada")], 2, lambda question, author: [author] if "1" in question else []
    )
    plain, shown = prompts_of(found)
    assert len(plain) == 2
    assert shown == [answer_messages("question 1", "ada", ["ada"])]


def test_answers_come_in_the_order_of_their_questions_though_several_are_in_the_making() -> None:
    prompts = [[{"role": "user", "content": str(number)}] for number in range(6)]
    seen: list[int | None] = []
    answers = ask(prompts, Parrot(at_once=2), at_once=2, on_progress=lambda progress: seen.append(progress.step))
    assert [answer.text for answer in answers] == list("012345")
    assert {(answer.tokens, answer.ended) for answer in answers} == {(3, False)}
    assert seen == [1, 2, 3, 4, 5, 6]


def test_what_a_model_said_is_asked_once(store_folder: dict[str, bytes]) -> None:
    asked: list[list[int]] = []

    def find_out(places: list[int]) -> list[SampleLoss]:
        asked.append(places)
        return [SampleLoss(tokens=place, nats=0.5) for place in places]

    def recall(*keys: str) -> list[int]:
        return [found.tokens for found in remembered(Store(store_folder), "losses.json", keys, SampleLoss, find_out)]

    assert recall("a", "b") == [0, 1]
    assert recall("b", "a") == [1, 0]
    assert recall("a", "c", "b") == [0, 1, 1]
    assert asked == [[0, 1], [1]]
    store_folder["losses.json"] = b"{torn"
    assert recall("a") == [0]


class Store:
    """Files by name, in memory."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    def read(self, path: str) -> bytes | None:
        return self._files.get(path)

    def write(self, path: str, content: bytes) -> None:
        self._files[path] = content


@pytest.fixture
def store_folder() -> dict[str, bytes]:
    return {}


# Measures


def test_perplexity_is_of_all_tokens_together() -> None:
    base = [SampleLoss(tokens=1, nats=math.log(8)), SampleLoss(tokens=3, nats=3 * math.log(8))]
    tuned = [SampleLoss(tokens=1, nats=math.log(4)), SampleLoss(tokens=3, nats=3 * math.log(2))]
    assert perplexity(base) == pytest.approx(8)
    assert perplexity(tuned) == pytest.approx(2 ** (5 / 4))
    found = perplexities("perplexity", "base", tuned, base)
    assert found.size == 4
    assert found.difference.mean == pytest.approx(100 * (1 - 2 ** (5 / 4) / 8))
    assert found.difference.low <= found.difference.mean <= found.difference.high


@pytest.mark.parametrize(
    ("text", "share"),
    [("", 0), ("a b c", 0), ("a b c d", 0), ("a b c d a b c d", 100 / 5), ("x x x x x x x", 75)],
)
def test_repeated_runs_of_four_words_are_counted(text: str, share: float) -> None:
    assert measures.repeated_4grams(text.split()) == pytest.approx(share)


def test_different_pairs_of_words_are_counted() -> None:
    assert measures.distinct_2(["a", "b", "a", "b"]) == pytest.approx(100 * 2 / 3)
    assert measures.distinct_2(["a"]) == 0


def test_closeness_to_the_authors_own_words() -> None:
    assert measures.chrf("the author's own words", "the author's own words") == pytest.approx(100)
    assert measures.chrf("zzz qqq", "the author's own words") < 5
    assert measures.token_f1(["a", "b", "b"], ["a", "b", "c"]) == pytest.approx(100 * 2 / 3)
    assert measures.token_f1([], ["a"]) == 0


def test_support_counts_sentences_that_say_something() -> None:
    shown = ["The index keeps vectors of passages."]
    assert measures.support("The index keeps vectors. Bananas grow in Ecuador.\n\n", shown) == pytest.approx(50)
    assert measures.support("", shown) == 0


def test_only_long_runs_that_were_not_shown_count_as_copied() -> None:
    known = [f"word{number}" for number in range(30)]
    trained = Trained([" ".join(known)])

    def copied(answer: list[str], shown: list[str]) -> tuple[float, int]:
        found = measures.measure(Answer(text=" ".join(answer), tokens=1, ended=True), "x", shown, trained)
        return found.copied, found.longest_copied

    assert copied([*known[:15], *["other"] * 15], []) == (50, 15)
    assert copied(known[:11], []) == (0, 0)
    assert copied(known, [" ".join(known)]) == (0, 0)


# Scores


def test_nothing_held_out_is_an_error_that_says_what_to_do() -> None:
    nobody = Said(plain=[], shown=[])
    with pytest.raises(SettingsError, match="TRAINING_TEST_SHARE"):
        score([], nobody, nobody, author_texts={})


def test_scores_tell_each_system_by_name() -> None:
    asked = models.questions(30)
    scores = score(asked, models.good(asked), models.base(asked), author_texts=models.training_texts())
    facts = scores.as_metadata()
    assert facts["perplexity_tuned"] == pytest.approx(math.exp(2.4), rel=0.05)
    figures = scores.figures
    assert figures["tuned"]["chrf_with_passages"] > figures["first_passage"]["chrf_with_passages"]
    assert figures["reference"]["style"] > figures["base"]["style"]
    assert facts["ended_tuned"] == 100
    assert facts["tokens_per_second"] == models.LIMIT
    assert all(isinstance(value, int | float | str) for value in facts.values())
    assert [row["author"] for row in tables.authors_rows(scores)] == [models.AUTHOR]
    assert "| chrf with passages |" in tables.figures_table(scores)


@pytest.mark.parametrize(("count", "shown"), [(40, EXAMPLES), (6, EXAMPLES), (3, 6)])
def test_a_person_sees_pairs_with_passages_and_without(count: int, shown: int) -> None:
    asked = models.questions(count)
    examples = score(asked, models.good(asked), models.base(asked), author_texts={}).examples
    assert len(examples) == shown
    assert sum(bool(example.passages) for example in examples) == shown / 2
    assert len({example.instruction for example in examples}) == min(count, EXAMPLES)
    with_passages = next(example for example in examples if example.passages)
    question = next(one for one in asked if one.instruction == with_passages.instruction)
    assert with_passages.reference == question.answer
    assert with_passages.tuned == " ".join(question.answer.split()[: models.LIMIT])


def test_style_needs_enough_text_of_everyone() -> None:
    asked = models.questions(1)
    scores = score(asked, models.good(asked), models.base(asked), author_texts={models.AUTHOR: ["too short"]})
    assert "style" not in scores.figures["tuned"]
    assert "style" not in {found.metric for found in scores.comparisons}


def test_examples_become_rows_of_one_markdown_table() -> None:
    asked = models.questions(2)
    examples = score(asked, models.good(asked), models.base(asked), author_texts={}).examples
    head, rule, *rows = tables.examples_table(examples).splitlines()
    assert head.count("|") == rule.count("|") == 6
    assert len(rows) == len(examples)
    assert "…" in rows[0]
