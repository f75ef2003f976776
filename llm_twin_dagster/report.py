"""What a run made, as a table for people."""

from __future__ import annotations

from typing import Any

from llm_twin_dagster.cli.output import out, print_table
from llm_twin_dagster.runs import RunOutcome

__all__ = ["print_run", "rows"]

TOLD = (
    "added", "changed", "removed", "unchanged", "refused", "failed", "withheld", "cleaned", "duplicates",
    "dagster/row_count", "generation", "rollback", "train", "test", "recall@10", "mrr@10", "loss_start", "loss_end",
    "tokens", "perplexity_base", "perplexity_tuned", "chrf_base", "chrf_tuned", "version", "review", "state",
)  # fmt: skip
"""The figures of each asset that the table shows, in this order; zeros are left out."""


def rows(outcome: RunOutcome) -> list[list[str]]:
    """Asset, what became of it, seconds, figures."""
    return [
        [made.name, made.status, f"{made.seconds:.1f}", _figures(made.metadata)] for made in outcome.assets.values()
    ]


def print_run(outcome: RunOutcome) -> None:
    """Prints the table, and the checks that failed."""
    print_table(["asset", "outcome", "seconds", "figures"], rows(outcome), title=f"Run {outcome.run_id}")
    for check in outcome.failed_checks:
        out.print(f"[red]failed check[/] {check}")


def _figures(metadata: dict[str, Any]) -> str:
    shown = []
    for name in TOLD:
        value = metadata.get(name)
        if value is None or value == 0:
            continue
        label = {"dagster/row_count": "rows"}.get(name, name.replace("_", " "))
        shown.append(f"{label} {value:.2f}" if isinstance(value, float) else f"{label} {value}")
    return ", ".join(shown)
