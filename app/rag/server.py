"""The application factory."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from litestar import Litestar
from litestar.datastructures import State as AppState
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from app.http.bodies import JsonRequest
from app.http.problems import exception_handlers
from app.http.security import security_headers
from app.http.static import static_files
from app.rag import feedback, health, openai, page, routes, triggers
from app.rag.metrics import Metrics, RequestMetrics
from app.rag.problems import answer_fault
from app.rag.services import Services
from app.rag.warmup import Warmup
from twin.rag.engine import Rag

__all__ = ["create_app"]

MAX_BODY_BYTES = 64 * 1024


def create_app(services: Services) -> Litestar:
    """The twin's application over `services`. Connects to nothing before it is asked; warms up when it starts."""
    metrics = Metrics()
    warmup = Warmup(services.warm)
    rag = Rag(
        retriever=services.retriever,
        model=services.model,
        tracer=services.tracer,
        store=services.store,
        settings=services.settings,
        guards=services.guards,
        observe=metrics.observe,
    )

    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncGenerator[None]:
        warmup.start()
        yield
        await warmup.stop()
        await rag.drain()
        await services.close()

    return Litestar(
        route_handlers=[
            *routes.ROUTES,
            *feedback.ROUTES,
            *triggers.ROUTES,
            *openai.ROUTES,
            *health.ROUTES,
            *page.ROUTES,
            static_files(Path(__file__).parent / "static"),
        ],
        lifespan=[lifespan],
        dependencies={
            "rag": Provide(lambda: rag, sync_to_thread=False),
            "services": Provide(lambda: services, sync_to_thread=False),
            "warmup": Provide(lambda: warmup, sync_to_thread=False),
        },
        state=AppState({"metrics": metrics}),
        middleware=[RequestMetrics(metrics)],
        exception_handlers=exception_handlers(answer_fault),
        before_send=[security_headers(scripts=True)],
        request_class=JsonRequest,
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=OpenAPIConfig(
            title="LLM Twin",
            version="0.1.0",
            description="Answers in an author's voice, from that author's documents.",
            path="/schema",
            render_plugins=[JsonRenderPlugin(path=["/", "/openapi.json"])],
        ),
        logging_config=None,
    )
