"""Does search find what answers the question? Recall, reciprocal rank and nDCG over questions with known answers."""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING

import msgspec

from twin.evaluation.intervals import Interval, bootstrap
from twin.records import content_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from twin.records import InstructSample, Passage

__all__ = [
    "DEPTH",
    "RECALL_AT",
    "Outcome",
    "Question",
    "RetrievalScores",
    "ask",
    "evaluate",
    "held_out_questions",
    "hits",
    "outcome",
    "score",
]

DEPTH = 10
"""Ranks that are looked at."""
RECALL_AT = (1, 4, 10)


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question, and what answers it."""

    text: str
    author: str | None = None
    """Whose passages are searched, and under whom the question is scored; None searches all."""
    relevant: frozenset[str]
    """Ids of the chunks that answer it, or of the documents where any passage will do."""
    topic: str = ""
    """What the question is about, when its relevant ids change with each revision: the document."""

    @property
    def id(self) -> str:
        """Equal for the same question about the same topic."""
        return content_hash(self.text, self.author, self.topic)[:16]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one question found."""

    question: str
    """`Question.id`."""
    author: str | None
    recall: dict[int, float]
    """Share of the relevant ids among the first k passages, by k."""
    reciprocal_rank: float
    """1 / rank of the first relevant passage within DEPTH, 0 where there is none."""
    ndcg: float
    """Normalised discounted cumulative gain within DEPTH, relevance being yes or no."""


class RetrievalScores(msgspec.Struct, frozen=True, kw_only=True):
    """Means over questions, each from 0 to 1."""

    questions: int
    recall: dict[int, float]
    mrr: float
    ndcg: float
    mrr_interval: Interval
    """Where the mean reciprocal rank lies with 95% confidence."""
    by_author: dict[str, RetrievalScores] = {}

    def as_metadata(self) -> dict[str, float | int]:
        """One flat row per figure, authors' figures as `mrr@10/<author>`."""
        rows: dict[str, float | int] = {"questions": self.questions}
        rows |= {f"recall@{k}": value for k, value in self.recall.items()}
        rows |= {f"mrr@{DEPTH}": self.mrr, f"ndcg@{DEPTH}": self.ndcg}
        rows |= {f"mrr@{DEPTH}_low": self.mrr_interval.low, f"mrr@{DEPTH}_high": self.mrr_interval.high}
        for author, scores in self.by_author.items():
            rows |= {f"{name}/{author}": value for name, value in scores.as_metadata().items()}
        return rows


def held_out_questions(samples: Iterable[InstructSample]) -> list[Question]:
    """The held-out instructions as questions, each answered by the passage that it was written for."""
    return [
        Question(
            text=sample.instruction,
            author=sample.author,
            relevant=frozenset({sample.chunk_id}),
            topic=sample.document_id,
        )
        for sample in samples
    ]


def evaluate(questions: Sequence[Question], search: Callable[[str, str | None], Sequence[Passage]]) -> RetrievalScores:
    """Scores `search(text, author)`, which gives the best passages first, DEPTH of them where there are as many.

    Raises:
        ValueError: There are no questions, or one has no relevant id.
    """
    return score(ask(questions, search))


def ask(questions: Sequence[Question], search: Callable[[str, str | None], Sequence[Passage]]) -> list[Outcome]:
    """What each question finds.

    Raises:
        ValueError: A question has no relevant id.
    """
    return [outcome(question, search(question.text, question.author)) for question in questions]


def score(outcomes: Sequence[Outcome]) -> RetrievalScores:
    """The means over all questions, and over those of each author.

    Raises:
        ValueError: There are no outcomes.
    """
    authors = sorted({outcome.author for outcome in outcomes if outcome.author is not None})
    by_author = {author: _scores([outcome for outcome in outcomes if outcome.author == author]) for author in authors}
    return msgspec.structs.replace(_scores(outcomes), by_author=by_author)


def hits(passages: Sequence[Passage], relevant: frozenset[str]) -> list[int]:
    """How many relevant ids each of the first DEPTH passages is the first to bring; a joined one may bring several."""
    remaining = set(relevant)
    gains = []
    for passage in passages[:DEPTH]:
        brought = remaining & {passage.chunk_id, passage.document_id, *passage.merged}
        remaining -= brought
        gains.append(len(brought))
    return gains


def outcome(question: Question, passages: Sequence[Passage]) -> Outcome:
    """How a ranking, best first, does on a question.

    Raises:
        ValueError: The question has no relevant id.
    """
    wanted = len(question.relevant)
    if not wanted:
        raise ValueError(f"A question needs at least one relevant id; {question.text!r} has none.")
    gains = hits(passages, question.relevant)
    return Outcome(
        question=question.id,
        author=question.author,
        recall={k: sum(gains[:k]) / wanted for k in RECALL_AT},
        reciprocal_rank=next((1 / rank for rank, gain in enumerate(gains, start=1) if gain), 0.0),
        ndcg=_discounted(gains) / _discounted([1] * min(wanted, DEPTH)),
    )


def _scores(outcomes: Sequence[Outcome]) -> RetrievalScores:
    if not outcomes:
        raise ValueError("Retrieval is scored over at least one question.")
    ranks = [outcome.reciprocal_rank for outcome in outcomes]
    return RetrievalScores(
        questions=len(outcomes),
        recall={k: fmean(outcome.recall[k] for outcome in outcomes) for k in RECALL_AT},
        mrr=fmean(ranks),
        ndcg=fmean(outcome.ndcg for outcome in outcomes),
        mrr_interval=bootstrap(ranks),
    )


def _discounted(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))
