"""Traces, spans and scores as the `opik` SDK sends them, and as the stand-in gives them back."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec

from twin.records import NAMESPACE

__all__ = [
    "ABSENT",
    "DEFAULT_PROJECT",
    "ErrorInfo",
    "Project",
    "Score",
    "ScoreWrite",
    "Span",
    "SpanUpdate",
    "SpanWrite",
    "Trace",
    "TraceUpdate",
    "TraceWrite",
    "project_id",
]

DEFAULT_PROJECT = "Default Project"

ABSENT = msgspec.Raw(b"null")
"""A JSON value that was not sent."""


Tokens = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
"""A count as JSON holds it exactly, and sums of it in 64 bits."""


class ErrorInfo(msgspec.Struct, kw_only=True):
    """An exception as the SDK reports it."""

    exception_type: str
    message: str | None = None
    traceback: str = ""


class _Fields(msgspec.Struct, kw_only=True):
    project_name: str | None = None
    name: str | None = None
    end_time: datetime | None = None
    input: msgspec.Raw = ABSENT
    output: msgspec.Raw = ABSENT
    metadata: msgspec.Raw = ABSENT
    tags: list[str] | None = None
    error_info: ErrorInfo | None = None
    ttft: float | None = None
    """Time to first token in milliseconds."""


class TraceUpdate(_Fields, kw_only=True):
    """The fields of a trace that an update may carry; None means "as it was"."""

    thread_id: str | None = None


class TraceWrite(TraceUpdate, kw_only=True):
    """A trace as created."""

    id: str
    start_time: datetime
    last_updated_at: datetime | None = None


class _SpanFields(_Fields, kw_only=True):
    parent_span_id: str | None = None
    type: str | None = None
    model: str | None = None
    provider: str | None = None
    usage: dict[str, Tokens] | None = None


class SpanUpdate(_SpanFields, kw_only=True):
    """The fields of a span that an update may carry; None means "as it was"."""

    trace_id: str | None = None


class SpanWrite(_SpanFields, kw_only=True):
    """A span as created."""

    id: str
    trace_id: str
    start_time: datetime
    last_updated_at: datetime | None = None


class Score(msgspec.Struct, kw_only=True):
    """A named number given to a trace or a span."""

    name: str
    value: float
    reason: str | None = None
    category_name: str | None = None
    source: str = "sdk"


class ScoreWrite(Score, kw_only=True):
    """A score with the id of the trace or span that it is given to."""

    id: str


class _Stored(msgspec.Struct, kw_only=True):
    id: str
    project_name: str = DEFAULT_PROJECT
    name: str | None = None
    start_time: datetime
    end_time: datetime | None = None
    input: Any = None
    output: Any = None
    metadata: Any = None
    tags: list[str] = []
    error_info: ErrorInfo | None = None
    ttft: float | None = None
    last_updated_at: datetime | None = None
    feedback_scores: list[Score] = []

    @property
    def duration(self) -> float | None:
        """Milliseconds from start to end; None while it runs."""
        return (self.end_time - self.start_time) / timedelta(milliseconds=1) if self.end_time else None


class Trace(_Stored, kw_only=True):
    """A trace as stored."""

    thread_id: str | None = None


class Span(_Stored, kw_only=True):
    """A step of a trace as stored."""

    trace_id: str
    parent_span_id: str | None = None
    type: str = "general"
    model: str | None = None
    provider: str | None = None
    usage: dict[str, int] = {}


class Project(msgspec.Struct, kw_only=True):
    """A name that traces are grouped under."""

    id: str
    name: str


def project_id(name: str) -> str:
    """The id of the project of that name."""
    return str(uuid.uuid5(NAMESPACE, f"opik-project:{name}"))
