"""What the application is made of. Everything is lazy: it starts without MongoDB, index, model and console."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx

from twin import http_clients
from twin.deployment import Deployment, addresses
from twin.errors import IndexUnavailable, ModelUnavailable
from twin.feedback import Desk
from twin.guards import Guards
from twin.rag.tracing import Tracer
from twin.records import Interaction
from twin.retrieval.retriever import Retriever
from twin.serving.wire import StreamingModel
from twin.settings import EndpointSettings, GuardSettings, MongoSettings, RagSettings, read
from twin.triggers import Triggers
from twin.warehouse.feedback import Feedback
from twin.warehouse.interactions import AsyncInteractions

__all__ = ["Dependency", "Interactions", "Services", "of_deployment"]


CONNECT_SECONDS = 2.0
FLUSH_SECONDS = 1.5


@dataclass(frozen=True, kw_only=True)
class Dependency:
    """Something outside that readiness tells about. `check` raises when it is away."""

    check: Callable[[], Awaitable[None]]
    required: bool = True
    """Whether answering needs it."""


@dataclass(frozen=True, kw_only=True)
class Services:
    """What answers are made with."""

    retriever: Retriever
    model: Callable[[], StreamingModel]
    tracer: Tracer
    store: Callable[[Interaction], Awaitable[None]]
    desk: Desk
    """Takes feedback on answers."""
    reader_secret: Callable[[], bytes]
    """What the names of readers are made with."""
    triggers: Triggers
    """Starts jobs."""
    settings: RagSettings
    warm: Callable[[], None]
    """Loads, in a thread, what the first question would otherwise wait for."""
    close: Callable[[], Awaitable[None]]
    guards: Guards | None = None
    """What looks at questions, passages and answers; None looks at nothing."""
    dependencies: dict[str, Dependency] = field(default_factory=dict)


def of_deployment(deployment: Deployment) -> Services:
    """The services of a deployment. Connects to nothing yet."""
    retriever = deployment.retriever
    interactions = Interactions(deployment.mongo_uri, read(MongoSettings))
    tracer = deployment.tracer
    guards = Guards(read(GuardSettings), outside=read(EndpointSettings).url is not None)

    def warm() -> None:
        tracer.warm_up()
        retriever.warm()
        guards.warm()

    async def index() -> None:
        if await asyncio.to_thread(retriever.generation) is None:
            raise IndexUnavailable("Nothing has been published yet: `llm-twin ingest PATH_OR_URL`.")

    async def model() -> None:
        await reach(deployment.chat_client().base_url)

    async def close() -> None:
        await interactions.close()
        await asyncio.to_thread(tracer.flush, FLUSH_SECONDS)

    return Services(
        retriever=retriever,
        model=deployment.chat_client,
        tracer=tracer,
        store=interactions.record,
        desk=Desk(interactions, tracer),
        reader_secret=deployment.home.reader_secret,
        triggers=Triggers(lambda: addresses.dagster(deployment.home), deployment.home.trigger_key),
        settings=read(RagSettings),
        guards=guards,
        warm=warm,
        close=close,
        dependencies={
            "index": Dependency(check=index),
            "model": Dependency(check=model),
            "warehouse": Dependency(check=interactions.ping, required=False),
        },
    )


class Interactions:
    """The warehouse, looked for when it is first needed: the twin starts without it.

    A server that comes back does so at the same address, where its clients find it again. Who does not wait any longer
    leaves what was asked to its own end: an operation of pymongo that is cancelled while it looks for a server lets go
    of a lock that it does not hold, and fails with that (seen on Python 3.11).

    Every method raises WarehouseUnavailable.
    """

    def __init__(self, uri: Callable[[], str], settings: MongoSettings) -> None:
        self._uri = uri
        self._settings = settings
        self._client: AsyncInteractions | None = None

    async def record(self, interaction: Interaction) -> None:
        """Stores an interaction."""
        await asyncio.shield(self._connected().record(interaction))

    async def find(self, key: str) -> Interaction | None:
        """The interaction of that id, or of that trace."""
        return await asyncio.shield(self._connected().find(key))

    async def rate(self, feedback: Feedback) -> Feedback:
        """Keeps feedback in the place of what the reader said before; gives what is kept."""
        return await asyncio.shield(self._connected().rate(feedback))

    async def ping(self) -> None:
        """Returns when the server has answered."""
        await asyncio.shield(self._connected().ping())

    async def close(self) -> None:
        """Closes the connections."""
        if self._client is not None:
            await self._client.close()

    def _connected(self) -> AsyncInteractions:
        if self._client is None:
            settings = self._settings
            self._client = AsyncInteractions(self._uri(), settings.database, timeout_seconds=settings.timeout_seconds)
        return self._client


async def reach(base_url: str) -> None:
    """Returns when the model's server answers. Our own says on `/ping` whether its model is loaded; others know no such
    page, and say so at once.

    Raises:
        ModelUnavailable: It does not answer, or cannot yet.
    """
    try:
        async with http_clients.async_client(base_url, timeout=CONNECT_SECONDS) as client:
            response = await client.get(f"{base_url}/ping")
    except httpx.HTTPError as error:
        raise ModelUnavailable(f"The model at {base_url} does not answer.", detail=repr(error)) from error
    if response.is_server_error:
        raise ModelUnavailable(f"The model at {base_url} cannot answer yet (status {response.status_code}).")
