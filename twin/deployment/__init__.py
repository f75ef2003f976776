"""Which client stands for each outside system. The Dagster resources and the apps both ask here, and nowhere else.

| concern       | local                          | docker             | aws                |
|---------------|--------------------------------|--------------------|--------------------|
| warehouse     | embedded mongod                | `MONGODB_URI`      | `MONGODB_URI`      |
| vector index  | Qdrant's engine in process     | `QDRANT_URL`       | `QDRANT_URL`       |
| artifacts     | a folder                       | a folder           | S3                 |
| tracing       | the console's Opik receiver    | Opik               | Opik               |
| registry      | the console's Comet stand-in   | Comet              | Comet              |
| training      | a child process                | a child process    | a SageMaker job    |
| endpoint      | a child process                | a child process    | a SageMaker endpoint |

A setting always wins over the table: `MONGODB_URI`, `QDRANT_URL`, `OPIK_URL_OVERRIDE`, `COMET_URL_OVERRIDE` and
`TWIN_ARTIFACTS_URL` mean the same in every deployment.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from twin.deployment.standin_addresses import COMET_PATH, LOCAL_KEY, OPIK_PATH
from twin.errors import RegistryUnavailable, SettingsError, WarehouseUnavailable
from twin.home import Home
from twin.settings import (
    CometSettings,
    EmbeddingSettings,
    EndpointSettings,
    HomeSettings,
    ModelSettings,
    MongoSettings,
    OpikSettings,
    QdrantSettings,
    RagSettings,
    ReviewSettings,
    SourceSettings,
    read,
)

if TYPE_CHECKING:
    from twin.artifacts import ArtifactStore
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
    from twin.warehouse import Warehouse

__all__ = ["Deployment", "InstructionModel"]

NEEDS_SETTING = {
    "docker": {"MONGODB_URI", "QDRANT_URL"},
    "aws": {"MONGODB_URI", "QDRANT_URL", "TWIN_ARTIFACTS_URL"},
}
"""What a deployment cannot default to something embedded."""

BATCH_TIMEOUT_SECONDS = 600.0
"""Nobody waits for a batch's single answers, and a busy machine takes its time."""


class InstructionModel(NamedTuple):
    """A language model to be run for the length of a block."""

    name: str
    opened: AbstractContextManager[ChatClient]


class Deployment:
    """The clients of one deployment. Each is made on first use; making one connects to nothing."""

    def __init__(self, home: Home | None = None) -> None:
        self.home = home or Home.from_settings()
        self.kind = read(HomeSettings).deployment

    @cached_property
    def warehouse(self) -> Warehouse:
        """The document warehouse."""
        from twin.warehouse import Warehouse

        mongo = read(MongoSettings)
        return Warehouse(
            self.mongo_uri(),
            mongo.database,
            timeout_seconds=mongo.timeout_seconds,
            max_vanished_share=read(SourceSettings).max_vanished_share,
        )

    @cached_property
    def artifacts(self) -> ArtifactStore:
        """The artifact store."""
        from twin.artifacts import ArtifactStore

        url = read(HomeSettings).artifacts_url or str(self.home.artifacts)
        return ArtifactStore(url, cache=self.home.cache / "artifacts")

    @cached_property
    def embedder(self) -> SentenceEmbedder:
        """The embedding model; its weights load when it first embeds."""
        from twin.features import embedding

        return embedding.load(read(EmbeddingSettings), cache=self.home.cache / "embedding")

    @cached_property
    def embedding_cache(self) -> EmbeddingCache | None:
        """The vectors of what has been embedded on this machine; None where none shall be kept."""
        from twin.features.embedding_cache import EmbeddingCache

        limit = read(EmbeddingSettings).cache_mb
        return EmbeddingCache(self.home.cache / "embeddings.sqlite", limit_mb=limit) if limit else None

    @cached_property
    def vector_index(self) -> VectorIndex:
        """The vector index."""
        from twin.features.index import open_index

        return open_index(read(QdrantSettings), self.home.index, dimensions=self.embedder.dimensions)

    @cached_property
    def retriever(self) -> Retriever:
        """Search in the vector index, with all that surrounds it."""
        from twin.retrieval.ranking import open_reranker
        from twin.retrieval.retriever import Retriever

        reranker = open_reranker(read(RagSettings).reranker)
        return Retriever(lambda: self.embedder, lambda: self.vector_index, reranker=reranker)

    @cached_property
    def registry(self) -> ModelRegistry:
        """The model registry, at Comet or its stand-in."""
        from twin.registry.comet import CometRegistry

        comet = read(CometSettings)
        url = comet.url or self._console("the model registry", RegistryUnavailable) + COMET_PATH
        key = comet.api_key.get_secret_value() if comet.api_key else LOCAL_KEY
        return CometRegistry(url, key, comet.workspace, project=comet.project)

    @cached_property
    def tracer(self) -> Tracer:
        """Tracing through Opik, wherever it is when a trace is delivered."""
        from twin.monitoring.tracing import Tracer

        return Tracer(read(OpikSettings), self.opik_url)

    @cached_property
    def trainer(self) -> Trainer:
        """Where training runs."""
        from twin.training.job import LocalTrainer

        self._only_local("Training on SageMaker")
        return LocalTrainer(self.home.training)

    @cached_property
    def endpoint(self) -> Endpoint:
        """Where the approved model is served."""
        from twin.serving.local import LocalEndpoint

        self._only_local("A SageMaker endpoint")
        return LocalEndpoint(self.home.root)

    def base_model(self) -> BaseModel:
        """The base language model, converted on first use (takes a while then)."""
        from twin.training import base_model

        return base_model.ensure(read(ModelSettings), self.home.root)

    def writer(self) -> InstructionModel:
        """The model that writes instructions: `WRITER_URL`, else the base model as a child process."""
        from twin.serving.client import ChatClient
        from twin.serving.process import model_process

        settings, endpoint = read(ModelSettings), read(EndpointSettings)
        if settings.writer_url:
            key = settings.writer_api_key.get_secret_value() if settings.writer_api_key else None
            client = ChatClient(settings.writer_url, model=settings.writer_model, api_key=key)
            return InstructionModel(settings.writer_model or settings.writer_url, nullcontext(client))
        base = self.base_model()
        patient = endpoint.model_copy(update={"timeout_seconds": BATCH_TIMEOUT_SECONDS})
        name = f"{base.name}@{base.sha256[:12]}"
        return InstructionModel(name, model_process(base.gguf or base.folder, settings=patient))

    def chat_client(self) -> ChatClient:
        """The client of the deployed model as it is now.

        Raises:
            ModelUnavailable: No model is deployed.
        """
        from twin.serving.local import resolve_client

        return resolve_client(read(EndpointSettings), self.home.root)

    def review_client(self) -> ReviewClient:
        """What a person's tools approve models with, in the console."""
        from twin.registry.review import ReviewClient

        token = read(ReviewSettings).token
        return ReviewClient(
            self._console("the review page", RegistryUnavailable),
            token.get_secret_value() if token else self.home.reviewer_token(),
        )

    def mongo_uri(self) -> str:
        """The warehouse's connection string.

        Raises:
            WarehouseUnavailable: None is set and the local stack does not run.
        """
        uri = read(MongoSettings).uri
        if uri is not None:
            return uri.get_secret_value()
        running = self.home.service_url("mongod")
        if running is None:
            raise WarehouseUnavailable(
                f"No MongoDB for {self.home.root}: MONGODB_URI is not set and the local stack does not run. "
                "Start it with `make up`, or set MONGODB_URI."
            )
        return running

    def opik_url(self) -> str | None:
        """Opik's API as it is now: `OPIK_URL_OVERRIDE`, else the running console's receiver, if there is one."""
        if url := read(OpikSettings).url:
            return url
        console = self.home.service_url("console")
        return console + OPIK_PATH if console else None

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
        missing = sorted(name for name in NEEDS_SETTING.get(self.kind, set()) if not present[name])
        if missing:
            raise SettingsError(f"DAGSTER_DEPLOYMENT={self.kind} needs {', '.join(missing)}. Set them in .env.")

    def _console(self, what: str, error: type[RegistryUnavailable]) -> str:
        url = self.home.service_url("console")
        if url is None:
            raise error(f"The console, which holds {what}, does not run. Start it with `make up`.")
        return url

    def _only_local(self, what: str) -> None:
        if self.kind == "aws":
            raise SettingsError(
                f"{what} is not part of this version; DAGSTER_DEPLOYMENT=local and docker train and serve in child "
                "processes."
            )
