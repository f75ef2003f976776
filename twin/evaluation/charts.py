"""Charts as PNG images, drawn without a display and without matplotlib's global state."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.evaluation.history import Evaluation

__all__ = ["retrieval_over_time"]

SHOWN = 40
"""Evaluations in a chart: the latest."""
COLOURS = {"hybrid": "#1f5fbf", "dense alone": "#b0752a", "BM25 alone": "#5d8a3a"}


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
    image = io.BytesIO()
    figure.savefig(image, format="png")
    return image.getvalue()
