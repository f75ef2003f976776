"""Curves as the points of an SVG polyline; the templates draw the rest. No script runs on the console's pages."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

__all__ = ["HEIGHT", "WIDTH", "Curve", "curve"]

WIDTH = 640
HEIGHT = 160
MAX_POINTS = 1_000
MARGIN = 6


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """One metric over the steps, scaled to WIDTH by HEIGHT."""

    name: str
    points: str
    """As `polyline` takes them: `x,y x,y ...`."""
    first: tuple[int, float]
    last: tuple[int, float]
    low: float
    high: float


def curve(name: str, values: Sequence[tuple[int, float]]) -> Curve:
    """Scales (step, value) points, at least one, in the order of their steps; very long curves are thinned."""
    every = -(-len(values) // MAX_POINTS)
    shown = [*values[:-1:every], values[-1]]
    low, high = min(value for _, value in values), max(value for _, value in values)
    start, span = shown[0][0], shown[-1][0] - shown[0][0]
    points = [
        (share(step - start, span) * (WIDTH - 2 * MARGIN) + MARGIN, (1 - share(value - low, high - low)))
        for step, value in shown
    ]
    drawn = " ".join(f"{x:.1f},{y * (HEIGHT - 2 * MARGIN) + MARGIN:.1f}" for x, y in points)
    return Curve(name=name, points=drawn, first=values[0], last=values[-1], low=low, high=high)


def share(part: float, whole: float) -> float:
    """`part / whole`, and the middle where there is no extent to divide."""
    return part / whole if whole else 0.5
