"""The HTTP of the model container."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any

from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.datastructures import State

from app.http.connection import event_stream, while_connected
from app.http.problems import Fault, exception_handlers
from app.http.security import security_headers
from app.inference.engine import Engine
from app.inference.model import ModelFiles
from app.inference.schema import ChatRequest, Piece, Reply, parse_request
from app.inference.service import GenerationService
from twin.errors import TwinError
from twin.serving.sse import event
from twin.settings import EndpointSettings

__all__ = ["create_app"]

log = logging.getLogger(__name__)


def create_app(
    files: ModelFiles,
    load: Callable[[], Engine],
    settings: EndpointSettings,
    on_load_failure: Callable[[Exception], None],
) -> Litestar:
    """The application. `load` runs in a thread once the server listens, so that `/ping` can say 503 meanwhile."""
    service = GenerationService(settings.slots, settings.queue_limit, settings.answer_seconds)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncGenerator[None]:
        loading = asyncio.create_task(_open(service, load, on_load_failure))
        try:
            yield
        finally:
            loading.cancel()
            service.close()

    return Litestar(
        route_handlers=[ping, ready, live, models, chat_completions],
        lifespan=[lifespan],
        state=State({"service": service, "files": files}),
        exception_handlers=exception_handlers(_answer_fault),
        before_send=[security_headers()],
        openapi_config=None,
        logging_config=None,  # the program configures logging
    )


@get(["/ping"])
async def ping(state: State) -> Response[dict[str, Any]]:
    """200 once the model is loaded (SageMaker's health check)."""
    service: GenerationService = state.service
    body = {
        "status": "ready" if service.ready else "loading",
        "model": state.files.name,
        "active": service.active,
        "waiting": service.waiting,
    }
    return Response(body, status_code=200 if service.ready else 503)


@get("/health/ready")
async def ready(state: State) -> Response[dict[str, Any]]:
    """The same as `/ping`."""
    return await ping.fn(state)


@get("/health/live")
async def live() -> dict[str, str]:
    """200 while the process serves HTTP."""
    return {"status": "live"}


@get("/v1/models")
async def models(state: State) -> dict[str, Any]:
    """The one model that is served here."""
    files: ModelFiles = state.files
    model = {"id": files.name, "object": "model", "owned_by": "llm-twin", "format": files.format}
    return {"object": "list", "data": [model]}


@post(["/invocations", "/v1/chat/completions"], status_code=200)
async def chat_completions(request: Request[Any, Any, State], state: State) -> Response[Any]:
    """One answer, whole or as server-sent events. Its status is sent with the first token, so errors have theirs."""
    chat = parse_request(await request.body())
    answer = _logged(chat, state.service.answer(chat))
    reply = Reply(state.files.name)
    if not chat.stream:
        pieces = await while_connected(request, _collect(answer))
        return Response(reply.whole(pieces))
    first = await while_connected(request, anext(answer))
    return event_stream(_events(reply, first, answer), source=answer)


async def _open(
    service: GenerationService, load: Callable[[], Engine], on_load_failure: Callable[[Exception], None]
) -> None:
    started = time.perf_counter()
    try:
        engine = await asyncio.to_thread(load)
    except Exception as error:  # noqa: BLE001  whatever it is, a container without a model must end and say why
        on_load_failure(error)
        return
    service.open(engine)
    log.info("model loaded seconds=%.1f", time.perf_counter() - started)


async def _collect(answer: AsyncGenerator[Piece]) -> list[Piece]:
    return [piece async for piece in answer]


async def _events(reply: Reply, first: Piece, answer: AsyncGenerator[Piece]) -> AsyncGenerator[bytes]:
    """The events of a stream. An error in the middle becomes a last event, for the status is long sent."""
    yield event(json.dumps(reply.chunk(first)))
    try:
        async for piece in answer:
            yield event(json.dumps(reply.chunk(piece)))
    except TwinError as error:
        yield event(json.dumps(_error_body(error.message, type(error).__name__)))
    else:
        yield event("[DONE]")


async def _logged(chat: ChatRequest, answer: AsyncGenerator[Piece]) -> AsyncGenerator[Piece]:
    """The same answer, with one line in the log when it is over."""
    started = time.perf_counter()
    first = last = None
    try:
        async with contextlib.aclosing(answer):
            async for last in answer:
                first = first or time.perf_counter() - started
                yield last
    finally:
        log.info(
            "%s ttft=%.3f seconds=%.3f usage=%s metadata=%s",
            last.finish_reason if last and last.finish_reason else "not finished",
            first or 0.0,
            time.perf_counter() - started,
            last.usage if last else None,
            chat.metadata,
        )


def _error_body(message: str, kind: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind}}


def _answer_fault(_request: Request[Any, Any, State], fault: Fault) -> Response[dict[str, Any]]:
    """A fault in OpenAI's shape. Only a full queue says when to come back: for clients, that is what it means."""
    headers = fault.headers if fault.status == 429 else {}
    body = _error_body(fault.message, fault.type)
    return Response(body, status_code=fault.status, headers=headers, media_type=MediaType.JSON)
