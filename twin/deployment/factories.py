"""How each client is made. Making one connects to nothing, and imports only what that client needs."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from twin import outside
from twin.deployment import addresses
from twin.errors import SettingsError
from twin.settings import (
    AlertSettings,
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
    from twin.alerts import Notifier
    from twin.artifacts import ArtifactStore
    from twin.features.embedding import SentenceEmbedder
    from twin.features.embedding_cache import EmbeddingCache
    from twin.features.index import VectorIndex
    from twin.home import Home
    from twin.monitoring.tracing import Tracer
    from twin.registry import ModelRegistry
    from twin.registry.review import ReviewClient
    from twin.retrieval.ranking import Reranker
    from twin.serving.client import ChatClient
    from twin.serving.endpoint import Endpoint
    from twin.training.base_model import BaseModel
    from twin.training.job import Trainer
    from twin.training.reader import BaseReader
    from twin.training.sagemaker.trainer import SageMakerTrainer
    from twin.warehouse import Warehouse

BATCH_TIMEOUT_SECONDS = 600.0
"""Nobody waits for a batch's single answers, and a busy machine takes its time."""


class InstructionModel(NamedTuple):
    """A language model to be run for the length of a block."""

    name: str
    opened: AbstractContextManager[ChatClient]


def warehouse(home: Home) -> Warehouse:
    """MongoDB: a server, Atlas or the embedded mongod."""
    from twin.warehouse import Warehouse

    mongo = read(MongoSettings)
    return Warehouse(
        addresses.mongo_uri(home),
        mongo.database,
        timeout_seconds=mongo.timeout_seconds,
        max_vanished_share=read(SourceSettings).max_vanished_share,
    )


def artifacts(home: Home) -> ArtifactStore:
    """A folder of the home, or any store that fsspec knows."""
    from twin.artifacts import ArtifactStore

    url = read(HomeSettings).artifacts_url or str(home.artifacts)
    return ArtifactStore(url, cache=home.cache / "artifacts")


def embedder(home: Home) -> SentenceEmbedder:
    """The embedding model; its weights load when it first embeds."""
    from twin.features import embedding

    return embedding.load(read(EmbeddingSettings), cache=home.cache / "embedding")


def embedding_cache(home: Home) -> EmbeddingCache | None:
    """The vectors of what has been embedded on this machine; None where none shall be kept."""
    from twin.features.embedding_cache import EmbeddingCache

    limit = read(EmbeddingSettings).cache_mb
    return EmbeddingCache(home.cache / "embeddings.sqlite", limit_mb=limit) if limit else None


def vector_index(home: Home, dimensions: int) -> VectorIndex:
    """A Qdrant server, or Qdrant's engine over folders of the home."""
    from twin.features.index import open_index

    outside.qdrant()  # refuses a key without an address
    return open_index(read(QdrantSettings), home.index, dimensions=dimensions)


def reranker() -> Reranker:
    """What brings the candidates into their order."""
    from twin.retrieval.ranking import open_reranker

    return open_reranker(read(RagSettings).reranker)


def comet_registry(home: Home) -> ModelRegistry:
    """The model registry at Comet, or its stand-in, where only what the reviewer's token signed counts as decided."""
    from twin.registry.comet import CometRegistry
    from twin.registry.policy import Policy
    from twin.registry.signatures import ReviewKey

    settings, server = read(CometSettings), addresses.comet(home)
    return CometRegistry(
        server.url,
        server.key or "",
        settings.workspace,
        project=settings.project,
        review_key=ReviewKey(home.reviewer_token()) if addresses.console_of(server) else None,
        policy=Policy(approvals=read(ReviewSettings).approvals),
    )


def console_review(home: Home) -> ReviewClient:
    """What a person's tools approve models with, in the console."""
    from twin.registry.review import ReviewClient

    return ReviewClient(addresses.review_url(home), home.reviewer_token())


def opik_tracer(home: Home) -> Tracer:
    """Tracing through Opik, wherever it is when a trace is delivered."""
    from twin.monitoring.tracing import Tracer

    return Tracer(read(OpikSettings), partial(addresses.opik_url, home))


def notifier(home: Home) -> Notifier:
    """What tells people of what happened, by way of the home's outbox."""
    from twin.alerts import Notifier

    return Notifier(home.alerts, read(AlertSettings))


def child_process_trainer(home: Home) -> Trainer:
    """Training in a child process of this machine, which logs to the Comet that the registry is in."""
    from twin.training.job import LocalTrainer

    return LocalTrainer(home.training, env=addresses.comet_environment(home))


def child_process_endpoint(home: Home) -> Endpoint:
    """Serving in a child process of this machine."""
    from twin.serving.local import LocalEndpoint

    return LocalEndpoint(home.root)


def outside_endpoint() -> Endpoint | None:
    """The server that the settings name, which nothing is deployed to; None where they name none."""
    from twin.serving.outside import OutsideEndpoint

    server = outside.model_endpoint()
    return OutsideEndpoint(server.url, server.key, read(EndpointSettings).model) if server else None


def sagemaker_trainer(home: Home) -> SageMakerTrainer:
    """Training as jobs on SageMaker, recorded from here in the Comet that the registry is in."""
    from twin.training.sagemaker.trainer import SageMakerTrainer

    return SageMakerTrainer(home.training, comet=partial(addresses.comet_if_any, home))


def sagemaker_endpoint(home: Home) -> NoReturn:
    """Refuses: see `_not_yet`."""
    _not_yet("A SageMaker endpoint")


def chat_client(home: Home) -> ChatClient:
    """The client of the model that answers now: at `MODEL_ENDPOINT_URL`, else at this home's endpoint.

    Raises:
        ModelUnavailable: No model is deployed.
    """
    from twin.serving.local import resolve_client

    outside.model_endpoint()  # refuses a key without an address
    return resolve_client(read(EndpointSettings), home.root)


def base_model(home: Home) -> BaseModel:
    """The base language model, converted on first use (takes a while then)."""
    from twin.training import base_model

    return base_model.ensure(read(ModelSettings), home.root)


def teacher(home: Home) -> InstructionModel | None:
    """The model at `TEACHER_URL` that writes instructions; None where there is none and the base model writes them."""
    from twin.serving.client import ChatClient

    server = outside.teacher()
    if server is None:
        return None
    model = read(ModelSettings).teacher_model
    client = ChatClient(server.url, model=model, api_key=server.key, timeout=BATCH_TIMEOUT_SECONDS)
    return InstructionModel(model or server.url, nullcontext(client))


def reader(home: Home) -> BaseReader:
    """The base model as it writes and judges instructions."""
    from twin.training.reader import BaseReader

    base = base_model(home)
    return BaseReader(f"{base.name}@{base.sha256[:12]}", base, home.logs / "reader.log")


def _not_yet(what: str) -> NoReturn:
    raise SettingsError(
        f"{what} is not part of this version; DAGSTER_DEPLOYMENT=local and docker serve in a child process."
    )
