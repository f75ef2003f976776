"""How sure a mean over questions is, and whether a drop may be chance. Seeded: equal figures, equal answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

__all__ = ["CONFIDENCE", "Interval", "bootstrap", "bootstrap_of", "chance_of_drop"]

CONFIDENCE = 0.95
RESAMPLES = 2_000
SEED = 20_261_124
EXACT_UP_TO = 12
"""So many differences have 4,096 ways to put their signs, which are all counted; of more, a sample is."""
FLIPS = 10_000
ROUNDING = 1e-9


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """A mean, and where it lies with 95% confidence."""

    mean: float
    low: float
    high: float


def bootstrap(values: Sequence[float]) -> Interval:
    """The mean of `values` with its interval by the percentile bootstrap (Efron, 1979).

    Give it paired differences to compare two systems.

    Raises:
        ValueError: There are no values.
    """
    import numpy as np

    if not len(values):
        raise ValueError("An interval needs at least one value.")
    figures = np.asarray(values, dtype=np.float64)
    return bootstrap_of(lambda chosen: figures[chosen].mean(axis=-1), len(figures))


def bootstrap_of(
    statistic: Callable[[np.ndarray], np.ndarray | float], count: int, resamples: int = RESAMPLES
) -> Interval:
    """Any `statistic` of the places of `count` samples, shape (count,) or (resamples, count), with its interval."""
    import numpy as np

    drawn = np.random.default_rng(SEED).integers(0, count, size=(resamples, count))
    low, high = np.nanquantile(statistic(drawn), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(mean=float(statistic(np.arange(count))), low=float(low), high=float(high))


def chance_of_drop(differences: Sequence[float]) -> float:
    """How often chance alone would give paired differences whose mean is as low, if neither system were better.

    Fisher's randomisation test, one-sided: then each difference could as well have had the other sign. It is right for
    any number of questions, where the bootstrap is too sure of a few; below six that differ, it is never under 0.025.
    For its use on rankings see Smucker, Allan and Carterette (CIKM 2007).
    """
    import numpy as np

    figures = np.asarray([one for one in differences if one], dtype=np.float64)
    observed = figures.sum() + ROUNDING
    if len(figures) <= EXACT_UP_TO:
        ways = np.arange(2 ** len(figures))[:, None] >> np.arange(len(figures)) & 1
        return float(((1 - 2 * ways) @ np.abs(figures) <= observed).mean())
    signs = np.random.default_rng(SEED).choice((-1.0, 1.0), size=(FLIPS, len(figures)))
    return float(((signs @ np.abs(figures) <= observed).sum() + 1) / (FLIPS + 1))
