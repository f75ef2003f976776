"""Charts as PNG images, drawn without a display and without matplotlib's global state."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from twin.evaluation.gate import GateRow
    from twin.evaluation.history import Evaluation
    from twin.records import InstructSample

__all__ = ["gate_rows", "instructions", "retrieval_over_time"]

SHOWN = 40
"""Evaluations in a chart: the latest."""
COLOURS = {"hybrid": "#1f5fbf", "dense alone": "#b0752a", "BM25 alone": "#5d8a3a"}

VERDICTS = {"not worse": "#5d8a3a", "cannot tell": "#b0752a", "worse": "#c02020"}


def gate_rows(rows: Sequence[GateRow]) -> bytes:
    """A PNG of each guarded figure's difference to its rival, with its interval and what is still not worse."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1 + 0.3 * len(rows)), dpi=110, layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(rows):
        colour, difference = VERDICTS[row.verdict], row.difference
        axes.plot([difference.low, difference.high], [place, place], color=colour)
        axes.plot(difference.mean, place, "o", color=colour)
        axes.plot(-row.margin, place, "|", color="black", markersize=10)
    axes.axvline(0, color="grey", linewidth=0.8)
    axes.set_xscale("symlog", linthresh=5)
    axes.set_yticks(range(len(rows)), [f"{row.figure}, {row.against}" for row in rows], fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("points better than the rival, 95% interval; | is the least that is not worse")
    axes.grid(alpha=0.3, axis="x")
    image = io.BytesIO()
    figure.savefig(image, format="png")
    return image.getvalue()


def retrieval_over_time(history: Sequence[Evaluation]) -> bytes:
    """A PNG of the mean reciprocal rank over the evaluations, with intervals and what each ranking alone scored.

    Raises:
        ValueError: There is no evaluation.
    """
    from matplotlib.figure import Figure

    if not history:
        raise ValueError("A chart needs at least one evaluation.")
    shown = history[-SHOWN:]
    places = range(len(shown))
    figure = Figure(figsize=(8, 3.2), dpi=110, layout="constrained")
    axes = figure.subplots()
    means = [one.mrr.mean for one in shown]
    axes.fill_between(
        places, [one.mrr.low for one in shown], [one.mrr.high for one in shown], color=COLOURS["hybrid"], alpha=0.15
    )
    axes.plot(places, means, marker="o", color=COLOURS["hybrid"], label="hybrid, 95% interval")
    for name in ("dense alone", "BM25 alone"):
        axes.plot(places, [one.rivals.get(name, float("nan")) for one in shown], "--", color=COLOURS[name], label=name)
    refused = [place for place in places if not shown[place].accepted]
    axes.plot(refused, [means[place] for place in refused], "x", color="#c02020", markersize=10, label="regression")
    axes.set_xticks(list(places), [one.generation.split("-")[0] for one in shown], rotation=60, fontsize=7)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("MRR@10")
    axes.set_xlabel("generation of the index")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left", fontsize=7, ncols=4)
    return _png(figure)


def instructions(samples: Sequence[InstructSample]) -> bytes:
    """A PNG of how instructions came about: samples by method and rank, and the gains that were measured.

    Raises:
        ValueError: There is no sample.
    """
    from matplotlib.figure import Figure

    if not samples:
        raise ValueError("A chart needs at least one sample.")
    methods = sorted({sample.method for sample in samples})
    figure = Figure(figsize=(8, 2.8), dpi=110, layout="constrained")
    mix, gains = figure.subplots(1, 2)
    left = [0] * len(methods)
    for rank in sorted({sample.rank or 0 for sample in samples}):
        counts = [sum(one.method == method and (one.rank or 0) == rank for one in samples) for method in methods]
        mix.barh(methods, counts, left=left, label=f"rank {rank}" if rank else "not found", alpha=0.85)
        left = [before + count for before, count in zip(left, counts, strict=True)]
    mix.set_xlabel("samples")
    mix.legend(fontsize=7)
    for method in methods:
        measured = [sample.pmi for sample in samples if sample.method == method and sample.pmi is not None]
        gains.plot(measured, [method] * len(measured), "o", alpha=0.6)
    gains.axvline(0, color="#888888", linewidth=0.8)
    gains.set_xlabel("nats a token that the passage becomes likelier by")
    gains.grid(alpha=0.3)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    image = io.BytesIO()
    figure.savefig(image, format="png")
    return image.getvalue()
