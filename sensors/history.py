"""Dagster's record of runs, kept true and small: what its process left unfinished is ended, what is old is removed.

A run knows its process by a tag. Dagster itself would show a run whose process was killed as running for ever, and
count it among those that may run at once.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.events import JobFailureData, RunFailureReason
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable

from assets.describe import NOTHING_NEW
from twin import disk
from twin.processes.identity import ProcessIdentity
from twin.records import utcnow

if TYPE_CHECKING:
    from collections.abc import Generator

    from twin.settings import RetentionSettings

__all__ = [
    "UNFINISHED",
    "cancel_stuck_in_queue",
    "end_dead_runs",
    "executing",
    "process_tags",
    "remove_old_runs",
]

PROCESS = "llm_twin/process"
"""The tag that names the process of a run, see `ProcessIdentity`."""
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
EXECUTING = [status for status in UNFINISHED if status is not dg.DagsterRunStatus.QUEUED]
UNKNOWN_SECONDS = 6 * 60 * 60
"""A run that names no process and began longer ago than this is taken for dead."""
REMOVED_AT_ONCE = 50
"""So many runs are removed at a tick; Dagster ends a tick that takes longer than a minute."""


def process_tags() -> dict[str, str]:
    """The tags of a run that this process executes."""
    return {PROCESS: str(ProcessIdentity.own())}


@contextlib.contextmanager
def executing(instance: dg.DagsterInstance, run_id: str) -> Generator[None]:
    """Within the block this process executes the run, and whoever asks can see that it does.

    The tag tells it on this machine. A file lock tells it across containers that share the home, where process ids
    mean nothing; the kernel frees it with the process.
    """
    path = _lock_file(instance, run_id)
    with disk.lock(path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Ends the runs that count as running although their process is dead, and tells a line for each."""
    told = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=EXECUTING)):
        run = record.dagster_run
        if not (why := _why_dead(instance, record)):
            continue
        if run.status is dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, why)
        else:
            instance.report_run_failed(run, why, JobFailureData(None, RunFailureReason.UNEXPECTED_TERMINATION))
        _lock_file(instance, run.run_id).unlink(missing_ok=True)
        told.append(f"Run {run.run_id} ({run.job_name}) is ended: {why}")
    return told


def cancel_stuck_in_queue(instance: dg.DagsterInstance, longest: timedelta) -> list[str]:
    """Cancels the runs that have waited in the queue for longer than `longest`, and tells a line for each."""
    told = []
    waiting = dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED], created_before=utcnow() - longest)
    for record in instance.get_run_records(waiting):
        run = record.dagster_run
        instance.report_run_canceled(run, f"It waited in the queue for longer than {longest} (RUN_QUEUE_HOURS).")
        told.append(f"Run {run.run_id} ({run.job_name}) waited in the queue for longer than {longest}; it is canceled.")
    return told


def remove_old_runs(instance: dg.DagsterInstance, settings: RetentionSettings) -> int:
    """Removes finished runs with their events and logs; returns how many.

    Those go that are older than HISTORY_DAYS, and of those that found nothing new all but the last. The run that made
    an asset as it is now stays, since Dagster would forget with it when and from what that was.
    """
    finished = [status for status in dg.DagsterRunStatus if status not in UNFINISHED]
    kept = _current_makers(instance)
    oldest = utcnow() - timedelta(days=settings.history_days)
    old = instance.get_run_records(
        dg.RunsFilter(statuses=finished, created_before=oldest), limit=REMOVED_AT_ONCE + len(kept), ascending=True
    )
    idle = instance.get_run_records(
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS], tags=NOTHING_NEW), limit=REMOVED_AT_ONCE + len(kept)
    )[1:]
    going = {record.dagster_run.run_id for record in (*old, *idle)} - kept
    for run_id in sorted(going)[:REMOVED_AT_ONCE]:
        _remove(instance, run_id)
    return min(len(going), REMOVED_AT_ONCE)


def _why_dead(instance: dg.DagsterInstance, record: dg.RunRecord) -> str | None:
    """How it is known that nothing executes a run any more; None when something does or may."""
    run_id, process = record.dagster_run.run_id, ProcessIdentity.read(record.dagster_run.tags.get(PROCESS))
    if process is None:  # an earlier version's, or one that was killed in its first moment
        too_long = record.start_time is not None and utcnow().timestamp() - record.start_time > UNKNOWN_SECONDS
        return "It does not say which process it has, and began hours ago." if too_long else None
    match process.state:
        case "dead":
            return f"Its process, {process.pid} on {process.host}, is dead."
        case "elsewhere" if (lock := _lock_file(instance, run_id)).exists() and not disk.is_locked(lock):
            return f"Its process, on {process.host}, holds its lock no more."
    return None


def _lock_file(instance: dg.DagsterInstance, run_id: str) -> Path:
    return Path(instance.root_directory, "executing", run_id)


def _current_makers(instance: dg.DagsterInstance) -> set[str]:
    """The runs that materialized each asset last."""
    entries = [record.asset_entry for record in instance.get_asset_records()]
    return {entry.last_materialization_record.run_id for entry in entries if entry.last_materialization_record}


def _remove(instance: dg.DagsterInstance, run_id: str) -> None:
    """Removes a run with everything that its storages keep of it; Dagster's own deletion leaves an empty database."""
    instance.delete_run(run_id)
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    storage = instance.event_log_storage
    if not isinstance(storage, SqliteEventLogStorage):
        return
    with storage.index_connection() as connection:
        checks = AssetCheckExecutionsTable
        connection.execute(checks.delete().where(checks.c.run_id == run_id))
    database = Path(storage.path_for_shard(run_id))
    for file in (database, Path(f"{database}-wal"), Path(f"{database}-shm")):
        file.unlink(missing_ok=True)
