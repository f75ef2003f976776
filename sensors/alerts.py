"""People are told: of runs as they end, and of how things stand. What is due to be sent goes out here."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from resources import AlertsResource, EndpointResource, RegistryResource, WarehouseResource
from sensors import run_reports
from twin.alerts import conditions
from twin.collection import sources
from twin.errors import TwinError
from twin.records import utcnow
from twin.settings import AlertSettings, HomeSettings, ModelSettings, read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twin.alerts import Kind
    from twin.alerts.conditions import Cases

__all__ = ["alerts_of_failures", "alerts_of_state", "alerts_of_successes"]

POLL_SECONDS = 15
STATE_SECONDS = 30
WILL_RETRY = "dagster/will_retry"


@dg.run_failure_sensor(
    minimum_interval_seconds=POLL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    monitor_all_code_locations=True,  # else it would not see the runs that a person started at a terminal
    description="Tells of failed runs and blocking checks, once for each cause; one that is tried again is not told.",
)
def alerts_of_failures(context: dg.RunFailureSensorContext, alerts: AlertsResource) -> None:
    """See `run_reports.report_failure`."""
    if context.dagster_run.tags.get(WILL_RETRY) != "true":
        run_reports.report_failure(alerts, context.dagster_run, context.failure_event)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    minimum_interval_seconds=POLL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    monitor_all_code_locations=True,
    description="Tells of trained and deployed models and of slow steps.",
)
def alerts_of_successes(context: dg.RunStatusSensorContext, alerts: AlertsResource) -> None:
    """See `run_reports.report_success`."""
    run_reports.report_success(alerts, context.instance, context.dagster_run)


@dg.sensor(
    minimum_interval_seconds=STATE_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells what waits for a person, fails or runs out, and sends what is due (ALERT_URLS).",
)
def alerts_of_state(
    context: dg.SensorEvaluationContext,
    alerts: AlertsResource,
    warehouse: WarehouseResource,
    registry: RegistryResource,
    endpoint: EndpointResource,
) -> dg.SkipReason:
    """Launches nothing; what it did is the reason that it gives. What cannot be looked at now is looked at again."""
    settings, notifier = read(AlertSettings), alerts.notifier
    looks: Mapping[Kind, Callable[[], Cases]] = {
        "disk_full": lambda: conditions.full_disk(alerts.home, settings.disk_free_gb),
        "rolled_back": lambda: conditions.taken_out(endpoint.client.status()),
        "source_failing": lambda: _failing_sources(warehouse, timedelta(hours=settings.source_hours)),
        "review_waits": lambda: conditions.awaiting_review(
            registry.client.versions(read(ModelSettings).name), registry.page
        ),
    }
    unknown = []
    for kind, look in looks.items():
        try:
            notifier.standing(kind, look())
        except TwinError as error:
            unknown.append(error.message)
    sent = notifier.flush()
    for place, health in notifier.health():
        if health.failing_since:
            context.log.warning(f"{place.name} takes no alerts since {health.failing_since:%Y-%m-%d %H:%M} UTC.")
    return dg.SkipReason(" ".join([f"{sent} messages went out.", *dict.fromkeys(unknown)]))


def _failing_sources(warehouse: WarehouseResource, longest: timedelta) -> Cases:
    store = warehouse.client
    known = sources.known(read(HomeSettings).config, store)
    return conditions.failing_sources(known, store.sources.last_looks(), utcnow(), longest)
