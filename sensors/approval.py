"""A person approves a model; this sensor sees it and deploys it."""

import dagster as dg

from resources import EndpointResource, RegistryResource
from twin.errors import TwinError
from twin.serving import release
from twin.settings import ModelSettings, read

__all__ = ["approved_model"]

POLL_SECONDS = 15


@dg.sensor(
    job_name="deploy",
    minimum_interval_seconds=POLL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Launches `deploy` when the approved version is not the one that is served.",
)
def approved_model(
    context: dg.SensorEvaluationContext, registry: RegistryResource, endpoint: EndpointResource
) -> dg.RunRequest | dg.SkipReason:
    """One run each time that another version than the served one is due; a run that failed is not repeated.

    The cursor names the deployment that a run was launched for, for as long as it is due. A run key would be too much:
    Dagster never forgets one, and the same version may well be due a second time.
    """
    try:
        candidates = registry.client.in_production(read(ModelSettings).name)
        served = endpoint.client.status()
    except TwinError as error:
        return dg.SkipReason(error.message)
    decision = release.decide(candidates, served)
    if decision.version is None:
        context.update_cursor("")
        return dg.SkipReason(decision.reason)
    due = f"{decision.version.version} over {served.version}"
    if context.cursor == due:
        return dg.SkipReason(f"A run was launched for {due}. If it failed: llm-twin materialize deploy.")
    context.update_cursor(due)
    return dg.RunRequest(tags={"version": decision.version.version})
