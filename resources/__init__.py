"""Thin Dagster resources over the clients of `twin`: each gives one client of the deployment table."""

from typing import Any

from resources.clients import (
    AlertsResource,
    ArtifactsResource,
    BaseModelResource,
    CacheResource,
    DeploymentResource,
    EmbedderResource,
    EndpointResource,
    InboxResource,
    RegistryResource,
    TrainerResource,
    VectorIndexResource,
    WarehouseResource,
)

__all__ = [
    "AlertsResource",
    "ArtifactsResource",
    "BaseModelResource",
    "CacheResource",
    "DeploymentResource",
    "EmbedderResource",
    "EndpointResource",
    "InboxResource",
    "RegistryResource",
    "TrainerResource",
    "VectorIndexResource",
    "WarehouseResource",
    "all_resources",
]


def all_resources() -> dict[str, Any]:
    """The resources by the names that assets and sensors ask for. In a run they share one deployment."""
    deployment = DeploymentResource.configure_at_launch()
    return {
        "deployment": deployment,
        "warehouse": WarehouseResource(deployment=deployment),
        "artifacts": ArtifactsResource(deployment=deployment),
        "cache": CacheResource(deployment=deployment),
        "inbox": InboxResource(deployment=deployment),
        "embedder": EmbedderResource(deployment=deployment),
        "vector_index": VectorIndexResource(deployment=deployment),
        "base_model": BaseModelResource(deployment=deployment),
        "trainer": TrainerResource(deployment=deployment),
        "registry": RegistryResource(deployment=deployment),
        "endpoint": EndpointResource(deployment=deployment),
        "alerts": AlertsResource(deployment=deployment),
    }
