"""Ways to put the candidates of a question in order, all over the same two rankings: our own and its rivals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import fmean, pstdev
from typing import TYPE_CHECKING

from twin.retrieval.ranking import ProximityReranker, Weights, scaled

if TYPE_CHECKING:
    from twin.records import Passage

__all__ = ["BM25", "DENSE", "RANKINGS", "Ranking", "by_meaning", "by_words"]

Ranking = Callable[[str, Sequence["Passage"]], list["Passage"]]
"""Puts the candidates of a question, given in the engine's order, best first."""

DENSE, BM25 = "dense alone", "BM25 alone"
CANDIDATES = ProximityReranker.depth
SCORE_ONLY = Weights(similarity=1.0, bm25=0.78, pairs=0.0, together=0.0)


def by_meaning(found: Sequence[Passage]) -> list[Passage]:
    """The dense ranking."""
    return sorted(found, key=lambda passage: -(passage.similarity or 0.0))


def by_words(found: Sequence[Passage]) -> list[Passage]:
    """The BM25 ranking: only passages with a word of the question."""
    return sorted((p for p in found if p.bm25 is not None), key=lambda passage: -(passage.bm25 or 0.0))


def fused(k: int, weight: float = 0.5) -> Ranking:
    """Reciprocal rank fusion with constant `k`, the BM25 ranking weighing `weight` of 1."""

    def rank(_question: str, found: Sequence[Passage]) -> list[Passage]:
        scores = dict.fromkeys((passage.chunk_id for passage in found), 0.0)
        for ranking, share in ((by_meaning(found)[:50], 1 - weight), (by_words(found)[:50], weight)):
            for place, passage in enumerate(ranking):
                scores[passage.chunk_id] += share / (k + place)
        return sorted(found, key=lambda passage: -scores[passage.chunk_id])

    return rank


def mixed(weight: float, scale: Callable[[Sequence[float]], list[float]]) -> Ranking:
    """A convex combination of scaled scores, BM25 weighing `weight` of 1."""

    def rank(_question: str, found: Sequence[Passage]) -> list[Passage]:
        similarities = scale([passage.similarity or 0.0 for passage in found])
        words = scale([passage.bm25 or 0.0 for passage in found])
        scores = [(1 - weight) * first + weight * second for first, second in zip(similarities, words, strict=True)]
        return [found[place] for place in sorted(range(len(found)), key=lambda place: -scores[place])]

    return rank


def three_deviations(values: Sequence[float]) -> list[float]:
    """Distribution-based scaling: the mean less and plus three standard deviations become 0 and 1."""
    centre, deviation = fmean(values), pstdev(values)
    if math.isclose(deviation, 0.0):
        return [0.5] * len(values)
    return [(value - centre + 3 * deviation) / (6 * deviation) for value in values]


def reranked(weights: Weights | None = None) -> Ranking:
    """The default reranker on the engine's first candidates."""
    reranker = ProximityReranker(weights) if weights else ProximityReranker()
    return lambda question, found: reranker.rerank(question, found[:CANDIDATES])


RANKINGS: dict[str, Ranking] = {
    DENSE: lambda _question, found: by_meaning(found),
    BM25: lambda _question, found: by_words(found),
    "reciprocal ranks, k 2 (the engine's order)": lambda _question, found: list(found),
    "reciprocal ranks, k 10": fused(10),
    "reciprocal ranks, k 60": fused(60),
    "reciprocal ranks, k 2, BM25 at 0.6": fused(2, 0.6),
    "distribution-based score fusion": mixed(0.5, three_deviations),
    "convex combination, minimum to maximum": mixed(0.42, scaled),
    "similarity and BM25, reranker without proximity": reranked(SCORE_ONLY),
    "proximity reranker (default)": reranked(),
}
