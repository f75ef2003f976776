"""Jobs by the clock, at the times that the settings name."""

from __future__ import annotations

import dagster as dg

from llm_twin_dagster.jobs import ingest, monitor, train
from twin.errors import SettingsError
from twin.settings import DriftSettings, ScheduleSettings, read

__all__ = ["schedules"]


def schedules() -> list[dg.ScheduleDefinition]:
    """A schedule for each job that has a time.

    Raises:
        SettingsError: A time or the time zone cannot be read.
    """
    settings = read(ScheduleSettings)
    times = (
        (ingest, settings.ingest, "SCHEDULE_INGEST"),
        (train, settings.train, "SCHEDULE_TRAIN"),
        (monitor, read(DriftSettings).schedule, "DRIFT_SCHEDULE"),
    )
    return [_schedule(job, cron, name, settings.timezone) for job, cron, name in times if cron]


def _schedule(job: dg.UnresolvedAssetJobDefinition, cron: str, setting: str, timezone: str) -> dg.ScheduleDefinition:
    try:
        return dg.ScheduleDefinition(
            name=f"{job.name}_by_the_clock",
            job=job,
            cron_schedule=cron,
            execution_timezone=timezone,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description=f"Launches `{job.name}` at {cron} {timezone} ({setting}).",
        )
    except dg.DagsterError as error:
        raise SettingsError(f"{setting}={cron} in SCHEDULE_TIMEZONE={timezone} cannot be read: {error}.") from error
