"""The factory of each client, by deployment.

| concern       | local                          | docker             | aws                  |
|---------------|--------------------------------|--------------------|----------------------|
| warehouse     | embedded mongod                | `MONGODB_URI`      | `MONGODB_URI`        |
| vector index  | Qdrant's engine in process     | `QDRANT_URL`       | `QDRANT_URL`         |
| artifacts     | a folder                       | a folder           | S3                   |
| tracing       | the console's Opik receiver    | Opik               | Opik                 |
| registry      | the console's Comet stand-in   | Comet              | Comet                |
| training      | a child process                | a child process    | a SageMaker job      |
| endpoint      | a child process                | a child process    | a SageMaker endpoint |

TRAINING_PLACE stands above the row of training. Where only a setting decides (a URL names a server, nothing names the
embedded part), one factory serves all, and reads that setting; `NEEDED` says which settings a deployment cannot do
without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from twin.deployment import factories

if TYPE_CHECKING:
    from twin.artifacts import ArtifactStore
    from twin.features.index import VectorIndex
    from twin.home import Home
    from twin.monitoring.tracing import Tracer
    from twin.registry import ModelRegistry
    from twin.serving.endpoint import Endpoint
    from twin.training.job import Trainer
    from twin.warehouse import Warehouse

__all__ = [
    "ARTIFACTS",
    "ENDPOINT",
    "NEEDED",
    "REGISTRY",
    "TRACING",
    "TRAINING",
    "TRAINING_PLACES",
    "VECTOR_INDEX",
    "WAREHOUSE",
    "Kind",
]

Kind = Literal["local", "docker", "aws"]
Place = Literal["here", "sagemaker"]
F = TypeVar("F")
T = TypeVar("T")
ByKind: TypeAlias = Mapping[Kind, F]
Factories: TypeAlias = "ByKind[Callable[[Home], T]]"


def everywhere(factory: F) -> ByKind[F]:
    """The same factory in every deployment."""
    return {"local": factory, "docker": factory, "aws": factory}


WAREHOUSE: Factories[Warehouse] = everywhere(factories.warehouse)
ARTIFACTS: Factories[ArtifactStore] = everywhere(factories.artifacts)
VECTOR_INDEX: ByKind[Callable[[Home, int], VectorIndex]] = everywhere(factories.vector_index)
TRACING: Factories[Tracer] = everywhere(factories.opik_tracer)
REGISTRY: Factories[ModelRegistry] = everywhere(factories.comet_registry)
TRAINING: Mapping[Place, Callable[[Home], Trainer]] = {
    "here": factories.child_process_trainer,
    "sagemaker": factories.sagemaker_trainer,
}
TRAINING_PLACES: ByKind[Place] = {"local": "here", "docker": "here", "aws": "sagemaker"}
"""Where models are trained unless TRAINING_PLACE says otherwise."""
ENDPOINT: Factories[Endpoint] = {
    "local": factories.child_process_endpoint,
    "docker": factories.child_process_endpoint,
    "aws": factories.sagemaker_endpoint,
}

NEEDED: ByKind[frozenset[str]] = {
    "local": frozenset(),
    "docker": frozenset({"MONGODB_URI", "QDRANT_URL"}),
    "aws": frozenset({"MONGODB_URI", "QDRANT_URL", "TWIN_ARTIFACTS_URL"}),
}
"""The settings without which a deployment would fall back on something embedded."""
