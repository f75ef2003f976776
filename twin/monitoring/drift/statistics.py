"""Two-sample tests between a reference and a window, from SciPy: exact for shares, Kolmogorov-Smirnov for numbers.

Vectors are brought down to numbers first (Rabanser et al., 2019, "Failing Loudly"): how near a question is to those
known before, and where it lies along the reference's main directions. One half of the reference tells which directions
these are, the other half is compared, so that nothing is tested on what it was fitted to.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["LEAST_VALUES", "Test", "numbers", "shares", "vectors"]

LEAST_VALUES = 50
"""With fewer values on either side nothing is tested."""
DIRECTIONS = 16
NEIGHBOURS = 5
LEAST_DISTANCE = 0.1
"""A smaller difference of two distributions (Kolmogorov-Smirnov's D) is no drift, however sure it is."""
LEAST_SHARE = 0.05
"""A smaller difference of two shares is no drift either."""


class Test(NamedTuple):
    """What a test found."""

    reference: float
    """The figure there: a median, or a share."""
    window: float
    p: float
    """How likely so large a difference is when nothing has changed."""
    effect: float
    """How large it is, 0 to 1."""
    is_large: bool
    """Whether that is enough to be told."""


def numbers(reference: np.ndarray, window: np.ndarray) -> Test | None:
    """Whether two samples of numbers come from one distribution; None with too few of them."""
    from scipy.stats import ks_2samp

    if min(len(reference), len(window)) < LEAST_VALUES:
        return None
    found = ks_2samp(reference, window, method="asymp")
    distance = float(found.statistic)
    middles = float(np.median(reference)), float(np.median(window))
    return Test(*middles, float(found.pvalue), distance, distance >= LEAST_DISTANCE)


def shares(reference: np.ndarray, window: np.ndarray) -> Test | None:
    """Whether what is 0 or 1 is 1 as often in both; None with too few of them."""
    from scipy.stats import fisher_exact

    if min(len(reference), len(window)) < LEAST_VALUES:
        return None
    table = [[int(side.sum()), int(len(side) - side.sum())] for side in (reference, window)]
    before, now = float(reference.mean()), float(window.mean())
    return Test(before, now, float(fisher_exact(table).pvalue), abs(now - before), abs(now - before) >= LEAST_SHARE)


def vectors(reference: np.ndarray, window: np.ndarray) -> Test | None:
    """Whether questions are asked about the same things; None with too few of them, or of another embedding model.

    The figures of the test are the medians of how near a question is to the questions known before.
    """
    if reference.shape[1:] != window.shape[1:] or min(len(reference) // 2, len(window)) < LEAST_VALUES:
        return None
    known, compared = _unit(reference[::2]), _unit(reference[1::2])
    asked = _unit(window)
    nearness = numbers(_nearness(known, compared), _nearness(known, asked))
    if nearness is None:
        return None
    centre = known.mean(axis=0)
    _, _, directions = np.linalg.svd(known - centre, full_matrices=False)
    before, now = ((side - centre) @ directions[:DIRECTIONS].T for side in (compared, asked))
    tests = [nearness, *(found for one, other in zip(before.T, now.T, strict=True) if (found := numbers(one, other)))]
    surest = min(tests, key=lambda test: test.p)
    return surest._replace(reference=nearness.reference, window=nearness.window, p=min(1.0, surest.p * len(tests)))


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def _nearness(known: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The mean cosine of each question to those that are nearest to it among the known ones."""
    nearest = min(NEIGHBOURS, len(known))
    cosines = asked @ known.T
    return np.partition(cosines, len(known) - nearest, axis=1)[:, -nearest:].mean(axis=1)
