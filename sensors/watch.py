"""The sources change by themselves; this sensor has them looked at."""

from datetime import timedelta

import dagster as dg
import msgspec

from resources import WarehouseResource
from sensors import history
from twin.collection import sources, watching
from twin.errors import TwinError
from twin.records import utcnow
from twin.settings import HomeSettings, SourceSettings, read

__all__ = ["watched_sources"]

POLL_SECONDS = 30
COLLECTING_JOBS = ("ingest", "everything")


@dg.sensor(
    job_name="ingest",
    minimum_interval_seconds=POLL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Launches `ingest` when sources are due (COLLECTION_WATCH_SECONDS) or local files have changed.",
)
def watched_sources(context: dg.SensorEvaluationContext, warehouse: WarehouseResource) -> dg.RunRequest | dg.SkipReason:
    """One run for all sources, never two at once; a run that failed is repeated when it is due again.

    The cursor holds when a run was last launched, and what the local files were like then.
    """
    every = read(SourceSettings).watch_seconds
    if not every:
        return dg.SkipReason("Watching is off (COLLECTION_WATCH_SECONDS is 0).")
    for line in history.end_dead_runs(context.instance):
        context.log.warning(line)
    if running := _collecting(context.instance):
        return dg.SkipReason(f"Run {running} is collecting.")
    try:
        store = warehouse.client
        known = sources.known(read(HomeSettings).config, store)
        looks = store.sources.last_looks()
    except TwinError as error:
        return dg.SkipReason(error.message)
    watch = watching.remembered(context.cursor)
    if watch is None:
        context.log.warning(f"The cursor {context.cursor!r} cannot be read; the watch begins anew.")
    decision = watching.decide(
        known,
        looks,
        watch or watching.Watch(),
        watching.local_stamp(known),
        now=utcnow(),
        every=timedelta(seconds=every),
    )
    context.update_cursor(msgspec.json.encode(decision.watch).decode())
    if not decision.launch:
        return dg.SkipReason(decision.reason)
    context.log.info(decision.reason)
    return dg.RunRequest(tags={"launched_because": decision.reason})


def _collecting(instance: dg.DagsterInstance) -> str | None:
    """The id of a run that reads the sources now or is about to."""
    for job in COLLECTING_JOBS:
        recent = dg.RunsFilter(job_name=job, statuses=history.UNFINISHED)
        for record in instance.get_run_records(recent, limit=1):
            return record.dagster_run.run_id
    return None
