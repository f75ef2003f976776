"""A person approves a model; this sensor sees it and deploys it."""

import dagster as dg

from resources import EndpointResource, RegistryResource
from twin.errors import ServiceUnavailable
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
    """One run for each approved version and the version that it replaces."""
    try:
        approved = registry.client.approved(read(ModelSettings).name)
    except ServiceUnavailable as error:
        return dg.SkipReason(error.message)
    if approved is None:
        return dg.SkipReason("No version is approved yet.")
    status = endpoint.client.status()
    if status.version == approved.version:
        return dg.SkipReason(f"Version {approved.version} is deployed already.")
    return dg.RunRequest(run_key=f"deploy-{approved.version}-over-{status.version}", tags={"version": approved.version})
