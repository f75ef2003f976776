"""Thin Dagster resources over the clients of `twin`: each gives one client of the deployment table."""

from typing import Any

from resources.clients import (
    ArtifactsResource,
    BaseModelResource,
    EmbedderResource,
    EndpointResource,
    RegistryResource,
    TrainerResource,
    VectorIndexResource,
    WarehouseResource,
)

__all__ = [
    "ArtifactsResource",
    "BaseModelResource",
    "EmbedderResource",
    "EndpointResource",
    "RegistryResource",
    "TrainerResource",
    "VectorIndexResource",
    "WarehouseResource",
    "all_resources",
]


def all_resources() -> dict[str, Any]:
    """The resources by the names that assets and sensors ask for."""
    return {
        "warehouse": WarehouseResource(),
        "artifacts": ArtifactsResource(),
        "embedder": EmbedderResource(),
        "vector_index": VectorIndexResource(),
        "base_model": BaseModelResource(),
        "trainer": TrainerResource(),
        "registry": RegistryResource(),
        "endpoint": EndpointResource(),
    }
