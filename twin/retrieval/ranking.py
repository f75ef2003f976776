"""The second look at what the index found: a reranker reads question and passages together.

The default needs no model: `ProximityReranker` weighs the two scores that the index already knows against how much of
the question stands close together in a passage. `docs/decisions/reranking.md` has the candidates that were measured.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, Protocol

from msgspec.structs import replace

from twin.text.stems import places_of, terms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    from twin.records import Passage

    Place = tuple[int, str]
    """A word of the question, and how many words precede it in a passage."""

__all__ = [
    "CANDIDATES",
    "WEIGHTS",
    "WINDOW",
    "Evidence",
    "IndexOrder",
    "ProximityReranker",
    "Reranker",
    "Weights",
    "evidence",
    "open_reranker",
    "scaled",
]

CANDIDATES = 12
"""Deeper gained nothing on XQuAD's tune half, 20 and 30 were measured, and each costs time."""
WINDOW = 20
"""Question words that stand at most so many words apart count as being together."""


class Weights(NamedTuple):
    """How much each kind of evidence counts."""

    similarity: float
    bm25: float
    pairs: float
    together: float


WEIGHTS = Weights(similarity=1.0, bm25=0.78, pairs=1.55, together=1.51)
"""Fitted by `benchmarks/retrieval_calibration.py` (listwise softmax regression, L2) on the tune half of XQuAD."""


class Reranker(Protocol):
    """Puts passages in a better order."""

    name: str
    """Identifies how it judges, for traces and evaluations."""
    depth: int
    """Candidates that it is worth giving it."""

    def rerank(self, question: str, passages: Sequence[Passage]) -> list[Passage]:
        """The same passages, best first, `score` being this reranker's; equal ones stay in the given order."""
        ...

    def warm(self) -> None:
        """Loads what the first question would otherwise wait for."""
        ...


class Evidence(NamedTuple):
    """What the words of a question say about one passage, each from 0 to 1."""

    pairs: float
    """Share of the question's neighbouring words that are neighbours in the passage."""
    together: float
    """Share of the question's words within the best stretch of `WINDOW` words of the passage."""


class ProximityReranker:
    """Similarity, BM25 and word proximity as one weighted mean, 0 to 1. Costs about 0.3 ms.

    Proximity is what BM25 does not see (Tao and Zhai, SIGIR 2007). Similarity and BM25 are scaled to 0..1 over the
    passages at hand, so that the weights hold for any embedding model and any size of the index.
    """

    name = "proximity-2"
    depth = CANDIDATES

    def __init__(self, weights: Weights = WEIGHTS) -> None:
        self._weights = weights

    def rerank(self, question: str, passages: Sequence[Passage]) -> list[Passage]:
        """The passages by their weighted mean."""
        weights, total = self._weights, sum(self._weights)
        similarities = scaled([passage.similarity or 0.0 for passage in passages])
        words = scaled([passage.bm25 or 0.0 for passage in passages])
        scored = [
            replace(
                passage,
                score=(
                    weights.similarity * similarity
                    + weights.bm25 * bm25
                    + weights.pairs * found.pairs
                    + weights.together * found.together
                )
                / total,
            )
            for passage, similarity, bm25, found in zip(
                passages, similarities, words, evidence(question, passages), strict=True
            )
        ]
        return sorted(scored, key=lambda passage: -passage.score)

    def warm(self) -> None:
        """Nothing to load."""


class IndexOrder:
    """No reranking: what the index fused stays as it is."""

    name = "none"
    depth = CANDIDATES

    def rerank(self, question: str, passages: Sequence[Passage]) -> list[Passage]:
        """The passages as they are."""
        return list(passages)

    def warm(self) -> None:
        """Nothing to load."""


def open_reranker(model: str | None) -> Reranker:
    """The reranker that RERANKER_MODEL names: proximity when it is unset, none for `none`, else a cross-encoder."""
    if model is None:
        return ProximityReranker()
    if model.casefold() == IndexOrder.name:
        return IndexOrder()
    from twin.retrieval.cross_encoder import CrossEncoderReranker

    return CrossEncoderReranker(model)


def scaled(values: Sequence[float]) -> list[float]:
    """The values stretched over 0..1; all 0 when they are equal."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    if high <= low:
        return [0.0] * len(values)
    return [(value - low) / (high - low) for value in values]


def evidence(question: str, passages: Sequence[Passage]) -> list[Evidence]:
    """How much of the question stands in each passage, in order.

    A word counts less the more of the passages have it: what all of them say tells none of them apart. This needs no
    list of stop words, so it works in any language. Title and headings are part of a passage.
    """
    asked = terms(question)
    wanted = set(asked)
    placed = [_places(wanted, places_of(_whole(passage))) for passage in passages]
    weights = _distinctiveness(wanted, placed)
    pairs = {pair: max(weights[pair[0]], weights[pair[1]]) for pair in pairwise(asked)}
    whole_words, whole_pairs = sum(weights.values()), sum(pairs.values())
    return [
        Evidence(
            pairs=sum(pairs[pair] for pair in pairs.keys() & _pairs(places)) / whole_pairs if whole_pairs else 0.0,
            together=_best_stretch(places, weights) / whole_words if whole_words else 0.0,
        )
        for places in placed
    ]


def _places(wanted: Set[str], where: Mapping[str, Sequence[int]]) -> list[Place]:
    """The question's words in the order in which they stand in a passage."""
    return sorted((place, word) for word in wanted if word in where for place in where[word])


def _whole(passage: Passage) -> str:
    return "\n".join([passage.title, *passage.heading_path, passage.text])


def _distinctiveness(wanted: Set[str], placed: Sequence[Sequence[Place]]) -> dict[str, float]:
    """The weight of each word of the question: 1 when no passage has it, near 0 when all have."""
    having = Counter(word for places in placed for word in {word for _, word in places})
    return {word: 1 - having[word] / (len(placed) + 1) for word in wanted}


def _pairs(places: Sequence[Place]) -> set[tuple[str, str]]:
    return {(word, after) for (place, word), (next_place, after) in pairwise(places) if next_place == place + 1}


def _best_stretch(places: Sequence[Place], weights: Mapping[str, float]) -> float:
    """The weight of the different question words within the best `WINDOW` words."""
    within = dict.fromkeys(weights, 0)
    best = weight = 0.0
    first = 0
    for place, word in places:
        if not within[word]:
            weight += weights[word]
        within[word] += 1
        while place - places[first][0] > WINDOW:
            left = places[first][1]
            within[left] -= 1
            if not within[left]:
                weight -= weights[left]
            first += 1
        if weight > best:  # not max(): this runs for every question word of every candidate
            best = weight
    return best
