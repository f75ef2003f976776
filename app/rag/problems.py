"""The one table from errors to HTTP, and the one shape that every error has."""

from __future__ import annotations

import logging
from typing import Any

from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException

from app.connection import CLIENT_CLOSED_REQUEST, ClientGone
from app.rag.schema import ErrorBody, Problem
from twin.errors import (
    GenerationInterrupted,
    InputError,
    ModelUnavailable,
    Overloaded,
    PublishConflict,
    ServiceUnavailable,
    TwinError,
    UnknownAuthor,
    UnknownName,
)
from twin.rag.engine import INTERNAL

__all__ = ["EXCEPTION_HANDLERS", "STATUSES", "status_of"]

log = logging.getLogger(__name__)

STATUSES: tuple[tuple[type[TwinError], int], ...] = (
    (UnknownAuthor, 404),
    (UnknownName, 404),
    (InputError, 400),
    (Overloaded, 429),
    (ServiceUnavailable, 503),
    (GenerationInterrupted, 502),
    (PublishConflict, 409),
    (TwinError, 500),
)
"""The first row that fits counts."""

RETRY_AFTER_SECONDS = {429: 2, 503: 5}

ADVICE: tuple[tuple[type[TwinError], str], ...] = (
    (Overloaded, "Wait a moment and ask again."),
    (ModelUnavailable, "`llm-twin endpoint status` tells more; searching works without a model."),
    (ServiceUnavailable, "GET /health/ready tells what is away."),
)


def status_of(error: TwinError) -> int:
    """The HTTP status that an error means."""
    return next(status for kind, status in STATUSES if isinstance(error, kind))


def answer_twin_error(request: Request[Any, Any, Any], error: TwinError) -> Response[Problem]:
    """An error of ours: its message is for the user, its detail for the log."""
    status = status_of(error)
    if status >= 500:
        log.warning("%s %s: %s (%s)", request.method, request.url.path, error, error.detail)
    advice = next((text for kind, text in ADVICE if isinstance(error, kind)), None)
    return problem(status, type(error).__name__, error.message, advice)


def answer_http_error(_request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    """Litestar's own refusals: no such path, wrong method, a body that is too large or does not fit."""
    problems = error.extra if isinstance(error.extra, list) else []
    details = [_described(found) for found in problems if isinstance(found, dict)]
    message = f"The request does not fit: {'; '.join(details)}." if details else error.detail
    return problem(error.status_code, type(error).__name__, message, headers=error.headers)


def answer_bug(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """Anything else is a bug, whose inside is nobody's business but the log's."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, "InternalError", INTERNAL)


def answer_nobody(_request: Request[Any, Any, Any], _error: ClientGone) -> Response[None]:
    """The client left; the status is only for the metrics."""
    return Response(None, status_code=CLIENT_CLOSED_REQUEST)


def problem(
    status: int, kind: str, message: str, advice: str | None = None, headers: dict[str, str] | None = None
) -> Response[Problem]:
    """The response that every error becomes."""
    body = (
        ErrorBody(type=kind, message=message)
        if advice is None
        else ErrorBody(type=kind, message=message, advice=advice)
    )
    retry = {"Retry-After": str(RETRY_AFTER_SECONDS[status])} if status in RETRY_AFTER_SECONDS else {}
    return Response(
        Problem(error=body), status_code=status, media_type=MediaType.JSON, headers={**(headers or {}), **retry}
    )


def _described(found: dict[str, Any]) -> str:
    return f"`{found['key']}`: {found.get('message', '')}" if found.get("key") else str(found.get("message", ""))


EXCEPTION_HANDLERS: dict[int | type[Exception], Any] = {
    TwinError: answer_twin_error,
    HTTPException: answer_http_error,
    ClientGone: answer_nobody,
    Exception: answer_bug,
}
