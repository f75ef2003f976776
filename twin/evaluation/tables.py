"""A model's scores as people read them: tables in markdown and rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.evaluation.model import Example, ModelScores

__all__ = ["authors_rows", "examples_table", "figures_table"]

CELL_CHARS = 280


def figures_table(scores: ModelScores) -> str:
    """One row per figure, one column per system."""
    systems = list(scores.figures)
    names = list(dict.fromkeys(name for figures in scores.figures.values() for name in figures))
    head = [
        f"| figure | {' | '.join(system.replace('_', ' ') for system in systems)} |",
        "|---" * (len(systems) + 1) + "|",
    ]
    rows = []
    for name in names:
        cells = [f"{scores.figures[system][name]:.2f}" if name in scores.figures[system] else "" for system in systems]
        rows.append(f"| {name.replace('_', ' ')} | {' | '.join(cells)} |")
    return "\n".join([*head, *rows])


def authors_rows(scores: ModelScores) -> list[dict[str, Any]]:
    """One row per author."""
    return [{"author": author} | figures for author, figures in scores.authors.items()]


def examples_table(examples: Sequence[Example]) -> str:
    """The examples side by side."""
    head = "| instruction | passages | the author | base model | tuned model |\n|---|---|---|---|---|"
    rows = [
        "| "
        + " | ".join(
            map(_cell, (one.instruction, str(len(one.passages) or "none"), one.reference, one.base, one.tuned))
        )
        + " |"
        for one in examples
    ]
    return "\n".join([head, *rows])


def _cell(text: str) -> str:
    flat = " ".join(text.split()).replace("|", "\\|")
    return flat if len(flat) <= CELL_CHARS else f"{flat[:CELL_CHARS]}…"
