"""How likely a passage is about a question at all, so that "nothing relevant" can be told.

A ranking always has a first place. A logistic regression tells whether that place means something, by the cosine
between question and passage, the share of the most that the question's words could score by BM25, and how near together
those words stand in the passage. It was fitted on questions whose paragraph is in the index against the same questions
with the paragraph's whole article left out (`benchmarks/retrieval_calibration.py`); on the other half of the questions
it tells the two apart with an area under the ROC curve of 0.992, against 0.965 for the cosine alone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from twin.features.index.points import bm25
from twin.retrieval.ranking import evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.records import Passage

__all__ = [
    "CALIBRATIONS",
    "FALLBACK",
    "NEVER",
    "Calibration",
    "by_relevance",
    "calibration_of",
    "relevant",
    "with_relevance",
    "word_share",
]


NEVER = -math.inf


class Calibration(NamedTuple):
    """Logistic regressions: the log-odds that a passage is relevant."""

    intercept: float
    similarity: float
    """Times the cosine."""
    words: float
    """Times `word_share`."""
    alone: float
    """The intercept for a question without a word that BM25 knows, which has the cosine alone."""
    similarity_alone: float
    close: float
    """The intercept with which the cosine is enough, whatever the words: a question may use words of its own."""

    proximity: float = 0.0
    """Times `Evidence.pairs` plus `Evidence.together`: words of the question that stand together."""
    apart: float = 0.0
    """Added for every question with words that BM25 knows: what is lost when none of them stand together."""

    def probability(self, similarity: float, words: float | None, proximity: float = 0.0) -> float:
        """From 0 to 1."""
        by_similarity = self.similarity_alone * similarity
        if words is None:
            return _sigmoid(self.alone + by_similarity)
        log_odds = self.intercept + self.similarity * similarity + self.words * words
        return _sigmoid(max(log_odds, self.close + by_similarity) + self.apart + self.proximity * proximity)


CALIBRATIONS = {
    "sentence-transformers/all-MiniLM-L6-v2": Calibration(
        -9.39, 12.16, 8.75, -7.2, 18.74, -10.64, proximity=3.0, apart=-1.3
    ),
}
"""By the embedding model's name, or by what its name begins with. Fitted on the tune half of XQuAD among the articles
of the LLM Engineer's Handbook: first what weighs cosine and words, then `proximity` and `apart` beside them, by maximum
likelihood. Of `proximity` that would take 3.5; it is held at 3.0, for no page among those quotes a question."""

FALLBACK = Calibration(-6.92, 0.0, 12.76, 0.0, 0.0, NEVER)
"""For other embedding models, whose cosines mean something else: words alone, fitted likewise. A question without words
that BM25 knows is then never refused. `benchmarks/retrieval_calibration.py` fits a calibration for any model."""


def calibration_of(model: str) -> Calibration:
    """The calibration of the embedding model of that name."""
    return next((known for name, known in CALIBRATIONS.items() if model.startswith(name)), FALLBACK)


def word_share(score: float | None, words: int, passages: int) -> float | None:
    """A BM25 score in proportion to what the question's words would give if each were in this passage only.

    About 0 to 1.4, since a word may occur often. None for a question without words that BM25 knows.

    Args:
        score: The passage's score; None when no word of the question is in it.
        words: Different words of the question that BM25 knows.
        passages: Passages in the index.
    """
    if not words:
        return None
    rarest = math.log(1 + max(passages - 0.5, 0.5) / 1.5)
    return (score or 0.0) / (words * rarest)


def with_relevance(
    question: str, passages: Sequence[Passage], calibration: Calibration, *, indexed: int
) -> list[Passage]:
    """The passages with their probability of being about `question`.

    It looks at a passage's cosine, at its words, and at how near together those stand.

    Args:
        indexed: Passages in the index.
    """
    words = len(bm25().embed_query(question).indices)
    return [
        replace(
            passage,
            relevance=calibration.probability(
                passage.similarity or 0.0,
                word_share(passage.bm25, words, indexed),
                found.pairs + found.together,
            ),
        )
        for passage, found in zip(passages, evidence(question, passages), strict=True)
    ]


def by_relevance(passages: Sequence[Passage]) -> list[Passage]:
    """The likeliest first, which is then their score; equal ones stay in the given order."""
    scored = [replace(passage, score=passage.relevance or 0.0) for passage in passages]
    return sorted(scored, key=lambda passage: -passage.score)


def relevant(passages: Sequence[Passage], min_relevance: float, min_similarity: float | None = None) -> list[Passage]:
    """The passages worth showing; empty when nothing is relevant.

    Args:
        min_relevance: Least `Passage.relevance`.
        min_similarity: Least cosine too, where one is set.
    """
    return [
        passage
        for passage in passages
        if (passage.relevance or 0.0) >= min_relevance
        and (min_similarity is None or (passage.similarity or -1.0) >= min_similarity)
    ]


def _sigmoid(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds)) if log_odds > -500 else 0.0
