"""The console's HTTP server: what it serves, what its handlers share, and how errors become answers."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from litestar import Litestar, MediaType, Request, Response, get
from litestar.di import Provide
from pymongo.errors import ConnectionFailure, PyMongoError

from app.console import blind, comet, comet_models, layout, opik, pages_loop, pages_registry, pages_traces, review
from app.console.connection import Connection
from app.console.store.comet import ExperimentStore
from app.console.store.comet_models import ModelStore
from app.console.store.opik import TraceStore
from app.http.problems import Fault, exception_handlers, fault_of
from app.http.security import security_headers
from app.http.static import static_files
from twin.errors import WarehouseUnavailable
from twin.registry.policy import ONE_APPROVAL, Policy

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from litestar.types import ControllerRouterHandler

__all__ = ["ROUTE_HANDLERS", "create_app"]

logger = logging.getLogger(__name__)

ROUTE_HANDLERS: list[ControllerRouterHandler] = [
    *opik.route_handlers,
    *comet.route_handlers,
    *comet_models.route_handlers,
    *review.route_handlers,
    *blind.route_handlers,
    *pages_registry.route_handlers,
    *pages_traces.route_handlers,
    *pages_loop.route_handlers,
]
"""Everything the console serves besides its health; each module of pages or protocol adds its list here."""

PREPARATIONS = (TraceStore.prepare, ExperimentStore.prepare, ModelStore.prepare)
"""Called with the database once it answers, to make indexes; idempotent."""

MAX_BODY_BYTES = 64 * 1024 * 1024
"""Unpacked. The default; a handler that takes files sets its own."""

MACHINE_PATHS = ("/opik/", "/comet/", "/clientlib/", "/api/", "/health/")
"""Under these, errors are JSON; elsewhere they are pages."""


def create_app(
    mongo_uri: Callable[[], str],
    database: str,
    reviewer_token: str | None = None,
    *,
    policy: Policy = ONE_APPROVAL,
    timeout_seconds: float = 5.0,
    dagster_url: Callable[[], str | None] = lambda: None,
    serving: Callable[[], str] = lambda: "nothing",
) -> Litestar:
    """The console over one MongoDB database. Connects when it starts to serve, not before, and follows `mongo_uri`.

    Handlers may ask for `database` (an `AsyncDatabase`), `reviewer_token` (None: nobody can approve), `policy` (what an
    approval takes) `dagster_url`, to which the pages lead, and `serving` (which version
    answers).
    """
    connection = Connection(mongo_uri, database, timeout_seconds=timeout_seconds, preparations=PREPARATIONS)

    @asynccontextmanager
    async def connected(app: Litestar) -> AsyncGenerator[None, None]:
        app.state.connection = connection
        try:
            await connection.prepare()
        except (PyMongoError, WarehouseUnavailable) as error:
            logger.warning("MongoDB does not answer yet, so the console is not ready: %s", error)
        yield
        await connection.close()

    return Litestar(
        route_handlers=[
            live,
            ready,
            *ROUTE_HANDLERS,
            static_files(layout.STATIC),
        ],
        lifespan=[connected],
        dependencies={
            "database": Provide(connection.database, sync_to_thread=False),
            "dagster_url": Provide(dagster_url, sync_to_thread=False),
            "policy": Provide(lambda: policy, sync_to_thread=False),
            "reviewer_token": Provide(lambda: reviewer_token, sync_to_thread=False),
            "serving": Provide(serving, sync_to_thread=True),
        },
        template_config=layout.templates(),
        request_max_body_size=MAX_BODY_BYTES,
        before_send=[security_headers()],
        exception_handlers={**exception_handlers(answer_fault), ConnectionFailure: answer_lost_database},
        openapi_config=None,
        logging_config=None,
    )


@get("/health/live", sync_to_thread=False)
def live() -> dict[str, str]:
    """The process serves."""
    return {"status": "live"}


@get("/health/ready")
async def ready(request: Request) -> dict[str, str]:
    """MongoDB answers, so what is sent here is kept."""
    connection: Connection = request.app.state.connection
    await connection.prepare()
    return {"status": "ready"}


def answer_lost_database(request: Request, error: ConnectionFailure) -> Response:
    """MongoDB went away under a request."""
    logger.warning("%s %s: MongoDB does not answer: %s", request.method, request.url.path, error)
    return answer_fault(request, fault_of(WarehouseUnavailable("MongoDB does not answer; see that it runs.")))


def answer_fault(request: Request, fault: Fault) -> Response:
    """A fault as JSON for programs and as a page for people."""
    if request.url.path.startswith(MACHINE_PATHS) or "text/html" not in request.headers.get("accept", ""):
        body = {"code": fault.status, "message": fault.message, "errors": [fault.message]}
        return Response(body, status_code=fault.status, media_type=MediaType.JSON, headers=fault.headers)
    context = {"message": fault.message}
    return layout.page(
        "error.html", active="", title=f"Error {fault.status}", context=context, status_code=fault.status
    )
