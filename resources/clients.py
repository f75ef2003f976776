"""One resource for each outside system, all over one deployment. `twin.deployment` decides which client stands for it.

Assets ask these; none reaches through to the deployment.
"""

from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from twin.alerts import Notifier
from twin.artifacts import ArtifactStore
from twin.deployment import Deployment, InstructionModel, addresses
from twin.features.embedding import SentenceEmbedder
from twin.features.embedding_cache import EmbeddingCache
from twin.features.index import VectorIndex
from twin.home import Home
from twin.records import ModelVersion
from twin.registry import ModelRegistry
from twin.serving.client import ChatClient
from twin.serving.endpoint import Endpoint
from twin.training.base_model import BaseModel
from twin.training.job import Trainer
from twin.training.reader import BaseReader
from twin.warehouse import Warehouse

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
]


class DeploymentResource(dg.ConfigurableResource):
    """The deployment whose clients the other resources give. A run has one, and its connections end with the run."""

    home: str | None = None
    """TWIN_HOME to use; default: the environment's."""
    _clients: Deployment | None = PrivateAttr(default=None)

    @property
    def clients(self) -> Deployment:
        if self._clients is None:
            self._clients = Deployment(Home(Path(self.home)) if self.home else None)
        return self._clients

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        if self._clients is not None:
            self._clients.close()
            self._clients = None


class _OfDeployment(dg.ConfigurableResource):
    deployment: dg.ResourceDependency[DeploymentResource]


class WarehouseResource(_OfDeployment):
    """MongoDB."""

    @property
    def client(self) -> Warehouse:
        return self.deployment.clients.warehouse


class ArtifactsResource(_OfDeployment):
    """The artifact store."""

    @property
    def store(self) -> ArtifactStore:
        return self.deployment.clients.artifacts


class CacheResource(_OfDeployment):
    """Folders of this machine for what can be made again."""

    def folder(self, name: str) -> Path:
        """The folder of that name; it may not exist yet."""
        return self.deployment.clients.home.cache / name


class InboxResource(_OfDeployment):
    """What came through standard input."""

    @property
    def folder(self) -> Path:
        """The folder of it; it may not exist yet."""
        return self.deployment.clients.home.inbox


class EmbedderResource(_OfDeployment):
    """The embedding model."""

    @property
    def model(self) -> SentenceEmbedder:
        return self.deployment.clients.embedder

    @property
    def cache(self) -> EmbeddingCache | None:
        return self.deployment.clients.embedding_cache


class VectorIndexResource(_OfDeployment):
    """Qdrant."""

    @property
    def client(self) -> VectorIndex:
        return self.deployment.clients.vector_index


class BaseModelResource(_OfDeployment):
    """The language model that training starts from."""

    def ensure(self) -> BaseModel:
        """The base model, converted on first use."""
        return self.deployment.clients.base_model()

    def teacher(self) -> InstructionModel | None:
        """The model that writes instructions in the base model's place, where one is set."""
        return self.deployment.clients.teacher()

    def reader(self) -> BaseReader:
        """The base model as it writes and judges instructions."""
        return self.deployment.clients.reader()


class TrainerResource(_OfDeployment):
    """Where training runs."""

    @property
    def client(self) -> Trainer:
        return self.deployment.clients.trainer


class RegistryResource(_OfDeployment):
    """The model registry."""

    @property
    def client(self) -> ModelRegistry:
        return self.deployment.clients.registry

    def page(self, version: ModelVersion) -> str | None:
        """Where a person sees a version; None where no console runs that has it."""
        return addresses.model_page(self.deployment.clients.home, version.name, version.version)


class AlertsResource(_OfDeployment):
    """Who is told when something happens."""

    @property
    def notifier(self) -> Notifier:
        return self.deployment.clients.notifier

    @property
    def home(self) -> Path:
        """The folder whose disk may become full."""
        return self.deployment.clients.home.root

    def run_page(self, run_id: str) -> str | None:
        """Where a person sees a run; None where nobody knows where the Dagster UI is."""
        return addresses.run_page(self.deployment.clients.home, run_id)

    def asset_page(self, asset: str) -> str | None:
        """Where a person sees an asset; None where nobody knows where the Dagster UI is."""
        return addresses.asset_page(self.deployment.clients.home, asset)


class EndpointResource(_OfDeployment):
    """The model endpoint."""

    @property
    def client(self) -> Endpoint:
        return self.deployment.clients.endpoint

    def model(self) -> ChatClient:
        """The client of the model that answers now."""
        return self.deployment.clients.chat_client()
