"""How sure a mean over questions is: the percentile bootstrap (Efron, 1979), seeded: equal figures, equal intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CONFIDENCE", "Interval", "bootstrap"]

CONFIDENCE = 0.95
RESAMPLES = 2_000
SEED = 20_261_124


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """A mean, and where it lies with 95% confidence."""

    mean: float
    low: float
    high: float


def bootstrap(values: Sequence[float]) -> Interval:
    """The mean of `values` with its interval. Give it paired differences to compare two systems.

    Raises:
        ValueError: There are no values.
    """
    import numpy as np

    if not len(values):
        raise ValueError("An interval needs at least one value.")
    figures = np.asarray(values, dtype=np.float64)
    chosen = np.random.default_rng(SEED).integers(0, len(figures), size=(RESAMPLES, len(figures)))
    low, high = np.quantile(figures[chosen].mean(axis=1), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(mean=float(figures.mean()), low=float(low), high=float(high))
