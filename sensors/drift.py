"""A finding of `monitoring_report` becomes an alert and, where it is wanted, a training run."""

import dagster as dg

from resources import AlertsResource, ArtifactsResource
from sensors.freshness import attempts, spending
from twin.alerts import conditions
from twin.errors import TwinError
from twin.monitoring.drift import reading
from twin.settings import AlertSettings, DriftSettings, read

__all__ = ["drift"]

POLL_SECONDS = 60


@dg.sensor(
    job_name="train",
    minimum_interval_seconds=POLL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells of drift, and launches `train` because of it where DRIFT_RETRAINS is true.",
)
def drift(
    context: dg.SensorEvaluationContext, alerts: AlertsResource, artifacts: ArtifactsResource
) -> dg.RunRequest | dg.SkipReason:
    """One run for each version that drifted, none while one trains or where it would cost money unasked."""
    settings = read(DriftSettings)
    try:
        report = reading.latest(artifacts.store)
    except TwinError as error:
        return dg.SkipReason(error.message)
    if report is None or report.state != "compared":
        return dg.SkipReason(report.told if report else "There is no monitoring_report yet.")
    page = alerts.asset_page("monitoring_report")
    alerts.notifier.standing("drift", conditions.drifted(report, page, retrains=settings.retrains))
    alerts.notifier.standing("tokens_jumped", conditions.jumped_tokens(report, read(AlertSettings).jump_factor))
    if not report.drifted or not settings.retrains:
        return dg.SkipReason(report.told)
    if because := spending() or _in_flight(context.instance):
        return dg.SkipReason(f"{report.told} It is not trained because of it: {because}")
    return dg.RunRequest(run_key=f"drift of version {report.version}", tags={"launched_because": report.told})


def _in_flight(instance: dg.DagsterInstance) -> str:
    running = attempts(instance).running
    return f"run {running} trains already." if running else ""
