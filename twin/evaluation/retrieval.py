"""Does search find what answers the question? Recall, reciprocal rank and nDCG over questions with known answers."""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from twin.records import Passage

__all__ = ["DEPTH", "RECALL_AT", "Question", "RetrievalScores", "evaluate", "hits"]

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


class RetrievalScores(msgspec.Struct, frozen=True, kw_only=True):
    """Means over questions, each from 0 to 1."""

    questions: int
    recall: dict[int, float]
    """Share of the relevant ids among the first k passages, by k."""
    mrr: float
    """Mean of 1 / rank of the first relevant passage within DEPTH, 0 where there is none."""
    ndcg: float
    """Normalised discounted cumulative gain within DEPTH, relevance being yes or no."""
    by_author: dict[str, RetrievalScores] = {}

    def as_metadata(self) -> dict[str, float | int]:
        """One flat row per figure, authors' figures as `mrr@10/<author>`."""
        rows: dict[str, float | int] = {"questions": self.questions}
        rows |= {f"recall@{k}": value for k, value in self.recall.items()}
        rows |= {f"mrr@{DEPTH}": self.mrr, f"ndcg@{DEPTH}": self.ndcg}
        for author, scores in self.by_author.items():
            rows |= {f"{name}/{author}": value for name, value in scores.as_metadata().items()}
        return rows


def evaluate(questions: Sequence[Question], search: Callable[[str, str | None], Sequence[Passage]]) -> RetrievalScores:
    """Scores `search(text, author)`, which gives the best passages first, DEPTH of them where there are as many.

    Raises:
        ValueError: There are no questions, or one has no relevant id.
    """
    found = [(question, hits(search(question.text, question.author), question.relevant)) for question in questions]
    authors = sorted({question.author for question in questions if question.author is not None})
    by_author = {author: _scores(pair for pair in found if pair[0].author == author) for author in authors}
    return msgspec.structs.replace(_scores(found), by_author=by_author)


def hits(passages: Sequence[Passage], relevant: frozenset[str]) -> list[int]:
    """How many relevant ids each of the first DEPTH passages is the first to bring: 0 or or both."""
    remaining = set(relevant)
    gains = []
    for passage in passages[:DEPTH]:
        brought = remaining & {passage.chunk_id, passage.document_id}
        remaining -= brought
        gains.append(len(brought))
    return gains


def _scores(found: Iterable[tuple[Question, list[int]]]) -> RetrievalScores:
    pairs = [(gains, len(question.relevant)) for question, gains in found]
    if not pairs or not all(relevant for _, relevant in pairs):
        raise ValueError("Retrieval is scored over at least one question, each with at least one relevant id.")
    return RetrievalScores(
        questions=len(pairs),
        recall={k: fmean(sum(gains[:k]) / relevant for gains, relevant in pairs) for k in RECALL_AT},
        mrr=fmean(_reciprocal_rank(gains) for gains, _ in pairs),
        ndcg=fmean(_discounted(gains) / _discounted([1] * min(relevant, DEPTH)) for gains, relevant in pairs),
    )


def _reciprocal_rank(gains: Sequence[int]) -> float:
    return next((1 / rank for rank, gain in enumerate(gains, start=1) if gain), 0.0)


def _discounted(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))
