"""Plots of a report, drawn as `twin.evaluation.charts` draws."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from twin.monitoring.drift.report import FALSE_ALARM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from twin.monitoring.drift.report import Report

__all__ = ["figures_over_time", "how_sure"]

LEAST_P = 1e-12
SHOWN = ("nothing_relevant", "relevance", "support", "first_token", "tokens", "failed")


def how_sure(report: Report) -> bytes:
    """A PNG of how sure each figure's difference is, with the line beyond which it is drift."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1 + 0.3 * len(report.rows)), dpi=110, layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(report.rows):
        axes.barh(place, 1 / max(row.corrected, LEAST_P), color="#c02020" if row.drifted else "#1f5fbf", left=1)
    axes.axvline(1 / FALSE_ALARM, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yticks(range(len(report.rows)), [str(row) for row in report.rows], fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("1 / corrected p; the line is where drift begins, red is large enough too")
    return _png(figure)


def figures_over_time(reports: Sequence[Report]) -> bytes:
    """A PNG of the figures of the last reports beside the reference of each."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.5), dpi=110, layout="constrained")
    for axes, name in zip(figure.subplots(2, 3).flat, SHOWN, strict=True):
        found = [(report.at, row) for report in reports for row in report.rows if row.figure == name]
        axes.set_title(found[0][1].label if found else name, fontsize=8)
        axes.plot([at for at, _ in found], [row.window for _, row in found], color="#1f5fbf")
        axes.plot([at for at, _ in found], [row.reference for _, row in found], "--", color="#888888")
        drifted = [(at, row.window) for at, row in found if row.drifted]
        axes.plot([at for at, _ in drifted], [value for _, value in drifted], "x", color="#c02020")
        axes.tick_params(labelsize=6, axis="both")
        axes.tick_params(axis="x", rotation=30)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    image = io.BytesIO()
    figure.savefig(image, format="png")
    return image.getvalue()
