"""Two models on the same questions: by how much they differ, and how sure that is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from twin.evaluation.intervals import Interval, bootstrap, bootstrap_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twin.evaluation.losses import SampleLoss
    from twin.evaluation.style import StyleProfile

__all__ = ["PERPLEXITY", "STYLE", "Comparison", "Rival", "paired", "perplexities", "perplexity", "similarity", "styles"]

PERPLEXITY = "perplexity"
STYLE = "style"

Rival = Literal["base", "production"]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of the candidate and of a rival, in points; of perplexity, the share of it that is gone in percent."""

    metric: str
    rival: Rival
    candidate: float
    other: float
    difference: Interval
    """Candidate minus rival; of perplexity by how many percent the candidate's is lower. 95% bootstrap over samples."""
    size: int
    """Samples; of perplexity tokens."""
    differences: list[float] = []
    """Of each sample, where a sample has a figure of its own."""


def paired(metric: str, rival: Rival, candidate: Sequence[float], other: Sequence[float]) -> Comparison:
    """The means of a figure that every sample has."""
    differences = [round(one - its, 4) for one, its in zip(candidate, other, strict=True)]
    return Comparison(
        metric=metric,
        rival=rival,
        candidate=float(np.mean(candidate)),
        other=float(np.mean(other)),
        difference=bootstrap(differences),
        size=len(differences),
        differences=differences,
    )


def perplexity(losses: Sequence[SampleLoss]) -> float:
    """exp of the mean negative log-likelihood of all tokens together, so a long answer counts for more than a short."""
    tokens = sum(loss.tokens for loss in losses)
    return float(np.exp(sum(loss.nats for loss in losses) / tokens)) if tokens else math.nan


def perplexities(metric: str, rival: Rival, candidate: Sequence[SampleLoss], other: Sequence[SampleLoss]) -> Comparison:
    """Perplexity on the same samples."""
    tokens = np.array([loss.tokens for loss in candidate], dtype=np.float64)
    more = np.array([one.nats - its.nats for one, its in zip(candidate, other, strict=True)])

    def gain(chosen: np.ndarray) -> np.ndarray:
        return 100 * (1 - np.exp(more[chosen].sum(axis=-1) / tokens[chosen].sum(axis=-1)))

    return Comparison(
        metric=metric,
        rival=rival,
        candidate=perplexity(candidate),
        other=perplexity(other),
        difference=bootstrap_of(gain, len(candidate)),
        size=int(tokens.sum()),
        differences=[float(one) for one in 100 * (1 - np.exp(more / tokens))],
    )


def similarity(profiles: Mapping[str, StyleProfile], authors: Sequence[str], texts: Sequence[str]) -> float:
    """The style of texts, each by one of the `authors`, in points: the mean over those that can be measured, or NaN."""
    return float(_similarities(profiles, authors, texts, np.ones((1, len(texts))))[0])


def _similarities(
    profiles: Mapping[str, StyleProfile], authors: Sequence[str], texts: Sequence[str], drawn: np.ndarray
) -> np.ndarray:
    """Of each of several draws, which count how often each text is in them, shape (draws, texts)."""
    by_author = []
    for author, profile in profiles.items():
        if places := [place for place, its in enumerate(authors) if its == author]:
            by_author.append(profile.similarities([texts[place] for place in places], drawn[:, places]))
    if not by_author:
        return np.full(len(drawn), np.nan)
    return 100 * np.ma.masked_invalid(by_author).mean(axis=0).filled(np.nan)


def styles(
    rival: Rival,
    profiles: Mapping[str, StyleProfile],
    authors: Sequence[str],
    candidate: Sequence[str],
    other: Sequence[str],
) -> Comparison | None:
    """The style of all answers together; None where there is too little text to measure it."""

    def difference(chosen: np.ndarray) -> np.ndarray:
        drawn = np.stack([np.bincount(one, minlength=len(authors)) for one in np.atleast_2d(chosen)])
        mine, its = (_similarities(profiles, authors, texts, drawn) for texts in (candidate, other))
        return (mine - its).squeeze()

    if math.isnan(float(difference(np.arange(len(authors))))):
        return None
    return Comparison(
        metric=STYLE,
        rival=rival,
        candidate=similarity(profiles, authors, candidate),
        other=similarity(profiles, authors, other),
        difference=bootstrap_of(difference, len(authors)),
        size=len(authors),
    )
