"""The one table from errors to HTTP. What a fault looks like on the wire is each API's own."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from litestar import Request, Response
from litestar.exceptions import HTTPException

from app.http.connection import CLIENT_CLOSED_REQUEST, ClientGone
from twin.errors import (
    INTERNAL,
    AlreadyDecided,
    GenerationInterrupted,
    InputError,
    NotAuthorized,
    Overloaded,
    PublishConflict,
    ReviewRequired,
    ServiceUnavailable,
    TwinError,
    UnknownAuthor,
    UnknownName,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from litestar.types import ExceptionHandlersMap

__all__ = ["STATUSES", "Fault", "exception_handlers", "fault_of", "status_of"]

log = logging.getLogger(__name__)

STATUSES: tuple[tuple[type[TwinError], int], ...] = (
    (UnknownAuthor, 404),
    (UnknownName, 404),
    (NotAuthorized, 401),
    (ReviewRequired, 403),
    (AlreadyDecided, 409),
    (InputError, 400),
    (Overloaded, 429),
    (ServiceUnavailable, 503),
    (GenerationInterrupted, 502),
    (PublishConflict, 409),
    (TwinError, 500),
)
"""The first row that fits counts."""

RETRY_AFTER_SECONDS = {429: 2, 503: 5}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What went wrong, in HTTP's terms."""

    status: int
    type: str
    """The name of the error's class."""
    message: str
    """For the one who asked."""
    error: Exception
    headers: Mapping[str, str] = field(default_factory=dict)


def status_of(error: TwinError) -> int:
    """The HTTP status that an error means."""
    return next(status for kind, status in STATUSES if isinstance(error, kind))


def fault_of(error: Exception) -> Fault:
    """The fault that an error is: of ours with its message, of Litestar's with its own, of anything else nothing."""
    kind = type(error).__name__
    if isinstance(error, TwinError):
        status = status_of(error)
        retry = {"Retry-After": str(RETRY_AFTER_SECONDS[status])} if status in RETRY_AFTER_SECONDS else {}
        return Fault(status=status, type=kind, message=error.message, error=error, headers=retry)
    if isinstance(error, HTTPException):
        message = _described(error)
        return Fault(status=error.status_code, type=kind, message=message, error=error, headers=error.headers or {})
    return Fault(status=500, type="InternalError", message=INTERNAL, error=error)


def exception_handlers(
    answer: Callable[[Request[Any, Any, Any], Fault], Response[Any]],
) -> ExceptionHandlersMap:
    """Handlers for every error, whose faults `answer` puts into the API's own shape. What is our fault is logged."""

    def handle(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        fault = fault_of(error)
        _log(request, fault)
        return answer(request, fault)

    return {TwinError: handle, HTTPException: handle, ClientGone: _answer_nobody, Exception: handle}


def _answer_nobody(_request: Request[Any, Any, Any], _error: ClientGone) -> Response[None]:
    """The client left; the status is only for the metrics."""
    return Response(None, status_code=CLIENT_CLOSED_REQUEST)


def _log(request: Request[Any, Any, Any], fault: Fault) -> None:
    error = fault.error
    if not isinstance(error, TwinError | HTTPException):
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    elif isinstance(error, TwinError) and (fault.status >= 500 or error.detail):
        log.warning("%s %s: %s (%s)", request.method, request.url.path, error, error.detail)


def _described(error: HTTPException) -> str:
    """Litestar's refusal; where it names the fields that do not fit, so does this."""
    problems = error.extra if isinstance(error.extra, list) else []
    details = [_of_field(found) for found in problems if isinstance(found, dict)]
    return f"The request does not fit: {'; '.join(details)}." if details else error.detail


def _of_field(found: dict[str, Any]) -> str:
    return f"`{found['key']}`: {found.get('message', '')}" if found.get("key") else str(found.get("message", ""))
