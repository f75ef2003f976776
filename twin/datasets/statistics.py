"""What a dataset is made of, in figures."""

from __future__ import annotations

from collections import Counter
from statistics import fmean
from typing import TYPE_CHECKING

import msgspec

from twin.datasets.instruct.choosing import beginning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.datasets.instruct import InstructDataset
    from twin.records import InstructSample

__all__ = ["Statistics", "statistics"]

LEFT_OUT = "no instruction leads back"


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of both splits together."""

    train: int
    test: int
    mix: dict[str, int]
    """Samples by how their instruction came about."""
    ranks: dict[str, int]
    """Samples by the rank at which their passage is found."""
    passages_with_one: float
    """Share of the chosen passages that have an instruction which leads back."""
    mean_pmi: float | None
    """Of the samples where it was measured, nats a token."""
    measured: int
    mean_candidates: float
    with_context: int
    with_history: int
    beginning: str
    """The most common first four words."""
    beginning_share: float
    """Share of the samples that have them; 0 where no two begin alike."""


def statistics(dataset: InstructDataset) -> Statistics:
    """The figures of a dataset; zeros for an empty one."""
    samples = dataset.samples
    left_out = dataset.rejected.get(LEFT_OUT, 0)
    gains = [sample.pmi for sample in samples if sample.pmi is not None]
    words, share = _most_common(samples)
    return Statistics(
        train=len(dataset.train),
        test=len(dataset.test),
        mix=dict(sorted(Counter(sample.method for sample in samples).items())),
        ranks=dict(sorted(Counter(str(sample.rank) for sample in samples).items())),
        passages_with_one=len(samples) / (len(samples) + left_out) if samples else 0.0,
        mean_pmi=fmean(gains) if gains else None,
        measured=len(gains),
        mean_candidates=fmean(sample.candidates for sample in samples) if samples else 0.0,
        with_context=sum(bool(sample.context) for sample in samples),
        with_history=sum(bool(sample.history) for sample in samples),
        beginning=words,
        beginning_share=share,
    )


def _most_common(samples: Sequence[InstructSample]) -> tuple[str, float]:
    if not samples:
        return "", 0.0
    words, count = Counter(beginning(sample.instruction) for sample in samples).most_common(1)[0]
    return words, count / len(samples) if count > 1 else 0.0
