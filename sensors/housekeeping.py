"""What nobody else would clear away: runs whose process was killed, runs that wait for ever, and old history."""

from datetime import timedelta

import dagster as dg

from sensors import history
from twin.settings import RetentionSettings, read

__all__ = ["housekeeping"]

POLL_SECONDS = 30


@dg.sensor(
    minimum_interval_seconds=POLL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends runs whose process is dead or that wait for ever, and removes old ones (HISTORY_DAYS).",
)
def housekeeping(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Launches nothing; what it did is the reason that it gives."""
    settings = read(RetentionSettings)
    told = history.end_dead_runs(context.instance)
    told += history.cancel_stuck_in_queue(context.instance, timedelta(hours=settings.queue_hours))
    if removed := history.remove_old_runs(context.instance, settings):
        told.append(f"{removed} runs of the past were removed.")
    for line in told:
        context.log.warning(line)
    return dg.SkipReason(" ".join(told) or "There is nothing to clear away.")
