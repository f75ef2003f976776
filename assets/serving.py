"""The model that answers."""

from collections.abc import Iterator

import dagster as dg

from assets.describe import OWNER, counted, stopwatch
from assets.training import registered_model
from resources import ArtifactsResource, EndpointResource, RegistryResource
from twin.serving import release
from twin.settings import ModelSettings, read
from twin.training import catalog

__all__ = ["ASSETS", "CHECKS", "DeploymentConfig", "inference_endpoint"]

GROUP = "serving"


class DeploymentConfig(dg.Config):
    """What to deploy."""

    force: bool = False
    """Deploy the approved version although a person took it out of service (`endpoint rollback` or `delete`), or
    although nobody reviewed it and the gate cannot tell whether it is worse."""


@dg.asset(
    deps=[registered_model],
    group_name=GROUP,
    kinds={"sagemaker"},
    owners=[OWNER],
    code_version="1",
    output_required=False,
)
def inference_endpoint(
    context: dg.AssetExecutionContext,
    config: DeploymentConfig,
    artifacts: ArtifactsResource,
    registry: RegistryResource,
    endpoint: EndpointResource,
) -> Iterator[dg.MaterializeResult]:
    """The newest approved model, deployed. Yields nothing while no newer version is approved than the served one."""
    name = read(ModelSettings).name
    served = endpoint.client.status()
    decision = release.decide(registry.client.versions(name), served, asked=config.force)
    context.log.info(decision.reason)
    if decision.version is None:
        return
    with stopwatch() as watch:
        folder, sha256 = catalog.pinned(artifacts.store, decision.version.version, decision.version.manifest)
        status = endpoint.client.deploy(decision.version.version, folder, sha256)
    yield dg.MaterializeResult(
        data_version=dg.DataVersion(f"{name}-{decision.version.version}"),
        metadata=counted(
            version=status.version,
            sha256=sha256,
            state=status.state,
            url=status.url,
            previous=status.previous,
            seconds=watch.seconds,
        ),
    )


@dg.asset_check(asset=inference_endpoint)
def endpoint_answers(endpoint: EndpointResource) -> dg.AssetCheckResult:
    """The deployed model answers a short prompt with text."""
    answer = endpoint.model().complete([{"role": "user", "content": "Say hello."}], max_tokens=8)
    return dg.AssetCheckResult(
        passed=bool(answer.text.strip()),
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"answer": answer.text, "model": answer.model},
    )


ASSETS = [inference_endpoint]
CHECKS = [endpoint_answers]
