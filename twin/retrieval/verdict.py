"""Whether the author has written about a question: an answer, only something near, or nothing.

What decides is the cosine of the nearest passage of the whole index, measured from the index's own footing, with the
share of the question's words as a second opinion. A name in the question that no candidate holds tells a near miss: the
author has written about the subject, and not about that. The decision looks at the same candidates however many
passages are asked for. `benchmarks/knowing.py` has the questions on which it was tuned, and the others.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import msgspec

from twin.features.index.points import bm25
from twin.retrieval.relevance import relevant, word_share
from twin.text.names import names_in
from twin.text.stems import places_of, terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.records import Passage
    from twin.retrieval.footing import Footing

__all__ = ["LOOKED_AT", "Ruling", "Sighting", "Verdict", "rule", "sighting", "worth_showing"]

Verdict = Literal["answer", "nearest", "nothing"]
"""`answer`: there are passages to answer from. `nearest`: passages on the subject that hold no answer, claiming
nothing. `nothing`: no passage is about it."""

LOOKED_AT = 12
HEIGHT, WORDS, BASE = 2.07, 1.79, -2.94
"""Logistic regression on the tune half of the benchmark: answerable questions against those about something else."""
NEAR = 0.27
"""Confidence below which there is nothing to show."""


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """What a search saw of a question, before anything is decided."""

    similarity: float | None
    """The cosine of the nearest passage."""
    words: float
    """The largest share of the question's words that a passage has, weighed as BM25 does; from 0 to 1."""
    unseen: list[str] = []
    """Names of the question that no candidate holds."""


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided of a question."""

    verdict: Verdict
    confidence: float | None = None
    """Probability that a passage of the index is about the question; None where the model's cosines tell nothing."""
    unseen: list[str] = []
    """What the question names and no passage does."""
    least_similarity: float | None = None
    """The cosine from which a passage is worth showing by that alone."""


def sighting(question: str, candidates: Sequence[Passage], *, indexed: int, known: Sequence[str] = ()) -> Sighting:
    """What the candidates of a question show.

    Args:
        question: As searched.
        candidates: Best first, as the index fused them.
        indexed: Passages in the index.
        known: Names that need not stand in a passage: the authors'.
    """
    looked_at = candidates[:LOOKED_AT]
    words = len(bm25().embed_query(question).indices)
    best = max((one.bm25 or 0.0 for one in looked_at), default=0.0)
    return Sighting(
        similarity=max((one.similarity for one in looked_at if one.similarity is not None), default=None),
        words=min(1.0, word_share(best, words, indexed) or 0.0),
        unseen=_unseen(question, looked_at, known),
    )


def rule(seen: Sighting, footing: Footing | None, *, least: float) -> Ruling | None:
    """The verdict; None where the model's cosines tell nothing, so that it has to come from the passages' relevance.

    Args:
        seen: What the search saw.
        footing: Of the index.
        least: Confidence from which there is an answer.
    """
    if footing is None:
        return None
    if seen.similarity is None:
        return Ruling(verdict="nothing", confidence=0.0)
    odds = HEIGHT * footing.height(seen.similarity) + WORDS * seen.words + BASE
    confidence = 1 / (1 + math.exp(-max(-50.0, odds)))
    return Ruling(
        verdict=_verdict(confidence, least, is_named=not seen.unseen),
        confidence=confidence,
        unseen=seen.unseen,
        least_similarity=footing.cosine((math.log(NEAR / (1 - NEAR)) - BASE) / HEIGHT),
    )


def worth_showing(
    passages: Sequence[Passage], ruling: Ruling, min_relevance: float, min_similarity: float | None = None
) -> list[Passage]:
    """The passages that an answer may be made from, or that are shown as the nearest; at least one unless nothing is.

    Args:
        passages: Best first.
        ruling: What was decided.
        min_relevance: Least `Passage.relevance` of those that are not near enough by their cosine.
        min_similarity: Least cosine of all, where one is set.
    """
    if ruling.verdict == "nothing":
        return []
    near = ruling.least_similarity if ruling.least_similarity is not None else math.inf
    shown = [
        one
        for one in relevant(passages, 0.0, min_similarity)
        if (one.relevance or 0.0) >= min_relevance or (one.similarity or -1.0) >= near
    ]
    return shown or (list(passages[:1]) if min_similarity is None else [])


def _verdict(confidence: float, least: float, *, is_named: bool) -> Verdict:
    if confidence >= least and is_named:
        return "answer"
    return "nearest" if confidence >= min(NEAR, least) else "nothing"


def _unseen(question: str, candidates: Sequence[Passage], known: Sequence[str]) -> list[str]:
    names = names_in(question)
    if not names or not candidates:
        return []
    held = {word for author in known for word in terms(author)}
    for one in candidates:
        held.update(places_of("\n".join([one.title, *one.heading_path, one.text])))
    return [name for name in names if (words := terms(name)) and held.isdisjoint(words)]
