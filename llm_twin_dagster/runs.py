"""Runs a job in this process, under the same Dagster instance that the UI shows."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from llm_twin_dagster import services
from twin import errors
from twin.home import Home

__all__ = ["JOBS", "MadeAsset", "RunOutcome", "run_job"]

JOBS = ("everything", "ingest", "train", "deploy")

OnLine = Callable[[str, str], None]
"""Told what happens: the step (or `run`) and a line of text."""


@dataclass
class MadeAsset:
    """An asset as one run left it."""

    name: str
    seconds: float = 0.0
    data_version: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    status: str = "not run"
    """`made`, `nothing to do`, `failed` or `not run`."""


@dataclass
class RunOutcome:
    """What became of a run."""

    success: bool
    run_id: str
    assets: dict[str, MadeAsset]
    failed_checks: list[str]
    error: str | None = None


def run_job(home: Home, name: str, run_config: dict | None = None, *, on_line: OnLine | None = None) -> RunOutcome:
    """Executes a job to its end, telling its steps' log lines as they come.

    Failures of steps and blocking checks are in the outcome; they are not raised.
    """
    import dagster as dg

    from llm_twin_dagster.definitions import defs
    from llm_twin_dagster.progress import listening

    services.prepare_dagster_home(home)
    os.environ["DAGSTER_HOME"] = str(home.dagster)
    job = defs().resolve_job_def(name)
    with dg.DagsterInstance.get() as instance, listening(on_line), _interruptible():
        result = job.execute_in_process(
            instance=instance,
            run_config={**(run_config or {}), "loggers": {"console": {"config": {}}}},
            raise_on_error=False,
        )
    selected = job.asset_layer.executable_asset_keys
    ordered = [key for key in job.asset_layer.asset_graph.toposorted_asset_keys if key in selected]
    return _outcome(result, [key.to_user_string() for key in ordered])


@contextmanager
def _interruptible() -> Generator[None]:
    """Dagster turns Ctrl-C into an exception of its own; commands know only Python's."""
    from dagster import DagsterExecutionInterruptedError

    try:
        yield
    except DagsterExecutionInterruptedError:
        raise KeyboardInterrupt from None


def _outcome(result: Any, names: list[str]) -> RunOutcome:
    assets = {name: MadeAsset(name) for name in names}
    failed_checks, error = [], None
    interrupted = "DagsterExecutionInterruptedError"
    for event in result.all_events:
        if event.is_step_success and event.step_key in assets:
            made = assets[event.step_key]
            made.seconds = event.event_specific_data.duration_ms / 1000
            made.status = "nothing to do" if made.status == "not run" else made.status
        elif event.is_step_failure:
            if event.step_key in assets:
                assets[event.step_key].status = "failed"
            if interrupted in str(event.step_failure_data.error):
                raise KeyboardInterrupt
            error = error or _first_cause(event.step_failure_data.error)
        elif event.is_step_materialization:
            materialization = event.step_materialization_data.materialization
            made = assets[materialization.asset_key.to_user_string()]
            made.status = "made"
            made.metadata = {key: value.value for key, value in materialization.metadata.items()}
            made.data_version = (materialization.tags or {}).get("dagster/data_version")
        elif event.event_type_value == "ASSET_CHECK_EVALUATION" and not event.event_specific_data.passed:
            evaluation = event.event_specific_data
            failed_checks.append(f"{evaluation.asset_key.to_user_string()}:{evaluation.check_name}")
    return RunOutcome(result.success, result.run_id, assets, failed_checks, error)


def _first_cause(error: Any) -> str:
    """What the user can act on: the message of our own error in the chain, else that of the innermost cause."""
    while error.cause is not None and error.cls_name not in errors.__all__:
        error = error.cause
    return error.message.strip().removeprefix(f"twin.errors.{error.cls_name}: ")
