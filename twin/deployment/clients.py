"""The clients of one home's deployment."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from twin.deployment import addresses, factories, table
from twin.errors import SettingsError
from twin.home import Home
from twin.settings import HomeSettings, MongoSettings, QdrantSettings, TrainingSettings, read

if TYPE_CHECKING:
    from twin.alerts import Notifier
    from twin.artifacts import ArtifactStore
    from twin.deployment.factories import InstructionModel
    from twin.features.embedding import SentenceEmbedder
    from twin.features.embedding_cache import EmbeddingCache
    from twin.features.index import VectorIndex
    from twin.monitoring.tracing import Tracer
    from twin.registry import ModelRegistry
    from twin.registry.review import ReviewClient
    from twin.retrieval.retriever import Retriever
    from twin.serving.client import ChatClient
    from twin.serving.endpoint import Endpoint
    from twin.training.base_model import BaseModel
    from twin.training.job import Trainer
    from twin.training.reader import BaseReader
    from twin.warehouse import Warehouse

__all__ = ["Deployment"]


class Deployment:
    """The clients of one deployment. Each is made on first use; making one connects to nothing."""

    def __init__(self, home: Home | None = None) -> None:
        self.home = home or Home.from_settings()
        self.kind = read(HomeSettings).deployment

    @cached_property
    def warehouse(self) -> Warehouse:
        """The document warehouse."""
        return table.WAREHOUSE[self.kind](self.home)

    @cached_property
    def artifacts(self) -> ArtifactStore:
        """The artifact store."""
        return table.ARTIFACTS[self.kind](self.home)

    @cached_property
    def embedder(self) -> SentenceEmbedder:
        """The embedding model."""
        return factories.embedder(self.home)

    @cached_property
    def embedding_cache(self) -> EmbeddingCache | None:
        """The vectors of what has been embedded on this machine; None where none shall be kept."""
        return factories.embedding_cache(self.home)

    @cached_property
    def vector_index(self) -> VectorIndex:
        """The vector index."""
        return table.VECTOR_INDEX[self.kind](self.home, self.embedder.dimensions)

    @cached_property
    def retriever(self) -> Retriever:
        """Search in the vector index, with all that surrounds it."""
        from twin.retrieval.footing import Footings
        from twin.retrieval.retriever import Retriever

        return Retriever(
            lambda: self.embedder,
            lambda: self.vector_index,
            reranker=factories.reranker(),
            footings=Footings(self.home.cache / "footings.json"),
        )

    @cached_property
    def registry(self) -> ModelRegistry:
        """The model registry."""
        return table.REGISTRY[self.kind](self.home)

    @cached_property
    def tracer(self) -> Tracer:
        """What traces requests."""
        return table.TRACING[self.kind](self.home)

    @cached_property
    def trainer(self) -> Trainer:
        """Where training runs."""
        return table.TRAINING[self.training_place](self.home)

    @property
    def training_place(self) -> table.Place:
        """What TRAINING_PLACE says, else as the deployment has it."""
        return read(TrainingSettings).place or table.TRAINING_PLACES[self.kind]

    @cached_property
    def endpoint(self) -> Endpoint:
        """Where the approved model is served."""
        return factories.outside_endpoint() or table.ENDPOINT[self.kind](self.home)

    @cached_property
    def notifier(self) -> Notifier:
        """Who tells people."""
        return factories.notifier(self.home)

    def chat_client(self) -> ChatClient:
        """The client of the deployed model as it is now.

        Raises:
            ModelUnavailable: No model is deployed.
        """
        return factories.chat_client(self.home)

    def review_client(self) -> ReviewClient:
        """What a person's tools approve models with, in the console."""
        return factories.console_review(self.home)

    def base_model(self) -> BaseModel:
        """The base language model, converted on first use (takes a while then)."""
        return factories.base_model(self.home)

    def teacher(self) -> InstructionModel | None:
        """The model that writes instructions in the base model's place, where one is set."""
        return factories.teacher(self.home)

    def reader(self) -> BaseReader:
        """The base model as it writes and judges instructions."""
        return factories.reader(self.home)

    def mongo_uri(self) -> str:
        """The warehouse's connection string as it is now.

        Raises:
            WarehouseUnavailable: None is set and the local stack does not run.
        """
        return addresses.mongo_uri(self.home)

    def opik_url(self) -> str | None:
        """Where traces go as it is now; None while nothing is there to take them."""
        return addresses.opik_url(self.home)

    def close(self) -> None:
        """Closes the connections that are open; the next use opens new ones."""
        if "warehouse" in vars(self):
            self.warehouse.close()
            del self.warehouse

    def check(self) -> None:
        """Checks that the settings suffice for this deployment.

        Raises:
            SettingsError: Names what is missing.
        """
        present = {
            "MONGODB_URI": read(MongoSettings).uri,
            "QDRANT_URL": read(QdrantSettings).url,
            "TWIN_ARTIFACTS_URL": read(HomeSettings).artifacts_url,
        }
        missing = sorted(name for name in table.NEEDED[self.kind] if not present[name])
        if missing:
            raise SettingsError(f"DAGSTER_DEPLOYMENT={self.kind} needs {', '.join(missing)}. Set them in .env.")
