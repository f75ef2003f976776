"""Runs jobs and selected assets in this process, under the same Dagster instance that the UI shows."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from llm_twin_dagster import dagster_home
from twin import errors
from twin.errors import UnknownName
from twin.home import Home
from twin.settings import RetentionSettings, read

__all__ = ["EVERYTHING", "JOBS", "MadeAsset", "RunOutcome", "run_assets", "run_job", "selected"]

EVERYTHING = "everything"
JOBS = (EVERYTHING, "ingest", "train", "deploy", "monitor")

STARTED_BY_A_PERSON = {"dagster/max_retries": "0", "dagster/max_runtime_seconds": "0"}
"""Who started the run at a terminal sees how it ends, and decides whether to start it again or to go on waiting."""

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
    """`made`, `unchanged` (materialized, with the data version that it had), `nothing to do`, `failed` or `not run`."""


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
    return _run(home, name, selected([name]), run_config, on_line)


def run_assets(
    home: Home, names: Sequence[str], run_config: dict | None = None, *, on_line: OnLine | None = None
) -> RunOutcome:
    """Materializes some assets with their checks, as a part of the job that makes everything; see `run_job`."""
    return _run(home, EVERYTHING, names, run_config, on_line)


def selected(selection: Sequence[str]) -> list[str]:
    """The assets that are named, each after those it depends on.

    Args:
        selection: A job, or assets in Dagster's selection syntax: `chunks`, `+vector_index`, `group:features`.

    Raises:
        UnknownName: There is no such job or asset.
    """
    from llm_twin_dagster.definitions import defs

    definitions = defs()
    graph = definitions.resolve_asset_graph()
    if len(selection) == 1 and selection[0] in JOBS:
        keys = set(definitions.resolve_job_def(selection[0]).asset_layer.executable_asset_keys)
    else:
        keys = _matching(selection, graph)
    keys = set(keys) & graph.materializable_asset_keys  # interactions are there by themselves
    if not keys:
        raise UnknownName(
            f"{' '.join(selection)!r} selects no assets. The jobs are: {', '.join(JOBS)}. The assets are: "
            f"{', '.join(key.to_user_string() for key in _in_order(graph))}."
        )
    return [key.to_user_string() for key in _in_order(graph) if key in keys]


def _in_order(graph: Any) -> list[Any]:
    return [key for key in graph.toposorted_asset_keys if key in graph.materializable_asset_keys]


def _matching(selection: Sequence[str], graph: Any) -> Collection[Any]:
    """The keys of the assets that match; none for what is misspelt."""
    from dagster import AssetSelection, DagsterError

    try:
        with warnings.catch_warnings(action="ignore"):  # groups in selections are declared beta
            return AssetSelection.from_coercible(list(selection)).resolve(graph)
    except DagsterError:
        return ()


def _run(
    home: Home, job_name: str, names: Sequence[str], run_config: dict | None, on_line: OnLine | None
) -> RunOutcome:
    import dagster as dg

    from llm_twin_dagster.definitions import defs
    from llm_twin_dagster.progress import listening
    from sensors import history

    job = defs().resolve_job_def(job_name)
    whole = len(names) == len(set(job.asset_layer.executable_asset_keys))
    run_id = str(uuid.uuid4())
    with dagster_home.open_instance(home) as instance, listening(on_line):
        for line in history.end_dead_runs(instance):
            (on_line or (lambda *_: None))("run", line)
        before = {name: _data_version(instance, dg.AssetKey(name)) for name in names}
        with history.executing(instance, run_id), _interruptible(instance, run_id):
            result = job.execute_in_process(
                instance=instance,
                run_id=run_id,
                run_config={**(run_config or {}), "loggers": {"console": {"config": {}}}},
                raise_on_error=False,
                asset_selection=None if whole else [dg.AssetKey(name) for name in names],
                tags={**history.process_tags(), **STARTED_BY_A_PERSON},
            )
            outcome = _outcome(result, names)
        history.remove_old_runs(instance, read(RetentionSettings))
    for made in outcome.assets.values():
        if made.status == "made" and made.data_version == before[made.name]:
            made.status = "unchanged"
    return outcome


def _data_version(instance: Any, key: Any) -> str | None:
    """The data version that an asset has now, or None before its first materialization."""
    event = instance.get_latest_materialization_event(key)
    materialization = event.asset_materialization if event else None
    return (materialization.tags or {}).get("dagster/data_version") if materialization else None


@contextmanager
def _interruptible(instance: Any, run_id: str) -> Generator[None]:
    """Ctrl-C, SIGTERM or a closed terminal cancels the run: a person ended it, so it did not fail.

    Dagster turns the interrupt into an exception of its own, and asks at the end whether the run was to be canceled.
    """
    from dagster import DagsterExecutionInterruptedError

    def note_interrupt(entry: Any) -> None:
        if _is_interrupt(entry.dagster_event):
            run = instance.get_run_by_id(run_id)
            instance.report_run_canceling(run, "It was interrupted: Ctrl-C, SIGTERM or a closed terminal.")

    instance.add_event_listener(run_id, note_interrupt)
    try:
        yield
    except (DagsterExecutionInterruptedError, KeyboardInterrupt):
        run = instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished:
            instance.report_run_canceled(run, "It was interrupted: Ctrl-C, SIGTERM or a closed terminal.")
        raise KeyboardInterrupt from None


def _outcome(result: Any, names: Sequence[str]) -> RunOutcome:
    assets = {name: MadeAsset(name) for name in names}
    failed_checks, error = [], None
    for event in result.all_events:
        if event.is_step_success and event.step_key in assets:
            made = assets[event.step_key]
            made.seconds = event.event_specific_data.duration_ms / 1000
            made.status = "nothing to do" if made.status == "not run" else made.status
        elif event.is_step_failure:
            if event.step_key in assets:
                assets[event.step_key].status = "failed"
            if _is_interrupt(event):
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


def _is_interrupt(event: Any) -> bool:
    from dagster._core.execution.plan.objects import ErrorSource

    failed = event is not None and event.is_step_failure
    return failed and event.step_failure_data.error_source is ErrorSource.INTERRUPT


def _first_cause(error: Any) -> str:
    """What the user can act on: the message of our own error in the chain, else that of the innermost cause."""
    while error.cause is not None and error.cls_name not in errors.__all__:
        error = error.cause
    return error.message.strip().removeprefix(f"twin.errors.{error.cls_name}: ")
