"""The one shape that every error of the twin has."""

from __future__ import annotations

from typing import Any

from litestar import MediaType, Request, Response
from msgspec import UNSET

from app.http.problems import Fault
from app.rag.schema import ErrorBody, Problem
from twin.errors import ModelUnavailable, Overloaded, ServiceUnavailable, TwinError

__all__ = ["answer_fault"]

ADVICE: tuple[tuple[type[TwinError], str], ...] = (
    (Overloaded, "Wait a moment and ask again."),
    (ModelUnavailable, "`llm-twin endpoint status` tells more; searching works without a model."),
    (ServiceUnavailable, "GET /health/ready tells what is away."),
)


def answer_fault(_request: Request[Any, Any, Any], fault: Fault) -> Response[Problem]:
    """The response that every error becomes."""
    advice = next((text for kind, text in ADVICE if isinstance(fault.error, kind)), UNSET)
    body = Problem(error=ErrorBody(type=fault.type, message=fault.message, advice=advice))
    return Response(body, status_code=fault.status, media_type=MediaType.JSON, headers=fault.headers)
