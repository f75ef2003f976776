"""One resource for each outside system. `twin.deployment` decides which client stands for it."""

from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from twin.artifacts import ArtifactStore
from twin.deployment import Deployment, InstructionModel
from twin.features.embedding import SentenceEmbedder
from twin.features.embedding_cache import EmbeddingCache
from twin.features.index import VectorIndex
from twin.home import Home
from twin.registry import ModelRegistry
from twin.serving.endpoint import Endpoint
from twin.training.base_model import BaseModel
from twin.training.job import Trainer
from twin.warehouse import Warehouse

__all__ = [
    "ArtifactsResource",
    "BaseModelResource",
    "EmbedderResource",
    "EndpointResource",
    "RegistryResource",
    "TrainerResource",
    "VectorIndexResource",
    "WarehouseResource",
]


class _DeploymentResource(dg.ConfigurableResource):
    """A client of the deployment, made on first use within a run."""

    home: str | None = None
    """TWIN_HOME to use; default: the environment's."""
    _deployment: Deployment | None = PrivateAttr(default=None)

    @property
    def deployment(self) -> Deployment:
        if self._deployment is None:
            self._deployment = Deployment(Home(Path(self.home)) if self.home else None)
        return self._deployment

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        self._deployment = None


class WarehouseResource(_DeploymentResource):
    """MongoDB."""

    @property
    def client(self) -> Warehouse:
        return self.deployment.warehouse

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        if self._deployment is not None and "warehouse" in vars(self._deployment):
            self._deployment.warehouse.close()
        super().teardown_after_execution(context)


class ArtifactsResource(_DeploymentResource):
    """The artifact store."""

    @property
    def store(self) -> ArtifactStore:
        return self.deployment.artifacts


class EmbedderResource(_DeploymentResource):
    """The embedding model."""

    @property
    def model(self) -> SentenceEmbedder:
        return self.deployment.embedder

    @property
    def cache(self) -> EmbeddingCache | None:
        return self.deployment.embedding_cache


class VectorIndexResource(_DeploymentResource):
    """Qdrant."""

    @property
    def client(self) -> VectorIndex:
        return self.deployment.vector_index


class BaseModelResource(_DeploymentResource):
    """The language model that training starts from."""

    def ensure(self) -> BaseModel:
        """The base model, converted on first use."""
        return self.deployment.base_model()

    def writer(self) -> InstructionModel:
        """The model that writes instructions."""
        return self.deployment.writer()


class TrainerResource(_DeploymentResource):
    """Where training runs."""

    @property
    def client(self) -> Trainer:
        return self.deployment.trainer


class RegistryResource(_DeploymentResource):
    """Comet's model registry."""

    @property
    def client(self) -> ModelRegistry:
        return self.deployment.registry


class EndpointResource(_DeploymentResource):
    """The model endpoint."""

    @property
    def client(self) -> Endpoint:
        return self.deployment.endpoint
