"""What is known of one traced step, as plain objects that know nothing of Opik."""

from __future__ import annotations

import secrets
import time
import traceback
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from opik.types import ErrorInfoDict

__all__ = ["Span", "SpanType", "TraceScore", "describe_error", "snapshot", "uuid7", "with_total"]

SpanType = Literal["general", "llm", "tool"]

MAX_TRACEBACK_CHARACTERS = 8_000


@dataclass(frozen=True)
class TraceScore:
    """A named number for a trace that may have been sent long ago."""

    trace_id: str
    name: str
    value: float
    reason: str = ""


class Span:
    """A step of a trace; the trace itself is the step that has no parent. Values given to it are copied at once."""

    def __init__(
        self,
        name: str,
        *,
        id: str,
        start_time: datetime,
        parent: Span | None = None,
        type: SpanType = "general",
        input: Mapping[str, Any] | None = None,
        model: str | None = None,
    ) -> None:
        self.id = id
        """The trace's id on a root, else the span's; empty when nothing is traced."""
        self.name = name
        self.start_time = start_time
        self.end_time: datetime | None = None
        self.parent = parent
        self.root: Span = parent.root if parent else self
        self.spans: list[Span] = []
        """On a root: every step of the trace, in the order in which they started."""
        self.type = type
        self.input = snapshot(input)
        self.output: Any = None
        self.metadata: dict[str, Any] = {}
        self.model = model
        self.usage: dict[str, int] = {}
        self.error: ErrorInfoDict | None = None
        self.scores: dict[str, float] = {}
        self.tags: list[str] = []
        self.thread_id: str | None = None

    def update(
        self,
        *,
        output: Any = None,
        metadata: Mapping[str, Any] | None = None,
        usage: Mapping[str, int] | None = None,
        model: str | None = None,
        error: BaseException | str | None = None,
    ) -> None:
        """Sets what is given; `metadata` and `usage` are merged into what is there."""
        if output is not None:
            self.output = snapshot(output)
        if metadata:
            self.metadata |= snapshot(metadata)
        if usage:
            self.usage |= with_total(usage)
        if model is not None:
            self.model = model
        if error is not None:
            self.error = describe_error(error)

    def score(self, name: str, value: float) -> None:
        """Gives the step a named number, shown as a feedback score; the last of a name counts."""
        self.scores[name] = value


def snapshot(value: Any) -> Any:
    """`value` as JSON types, sharing nothing with it; what JSON cannot hold becomes its `str`, or a note."""
    try:
        return msgspec.to_builtins(value, str_keys=True, enc_hook=str)
    except Exception as error:  # noqa: BLE001 - whatever a caller's object does, its request must not suffer
        return {"unreadable": f"{type(value).__name__}: {error}"}


def with_total(usage: Mapping[str, int]) -> dict[str, int]:
    """Token counts in OpenAI's names, with `total_tokens` where it was left out."""
    counts = {name: count for name, count in usage.items() if isinstance(count, int)}
    total = counts.get("prompt_tokens", 0) + counts.get("completion_tokens", 0)
    return {**counts, "total_tokens": counts.get("total_tokens", total)}


def describe_error(error: BaseException | str) -> ErrorInfoDict:
    """An error in Opik's shape."""
    if isinstance(error, str):
        return {"exception_type": "Error", "message": error, "traceback": ""}
    kind = type(error).__name__
    try:
        trail = "".join(traceback.format_exception(error))[-MAX_TRACEBACK_CHARACTERS:]
        return {"exception_type": kind, "message": str(error), "traceback": trail}
    except Exception as broken:  # noqa: BLE001 - an error whose text cannot be made must not hide the error itself
        return {"exception_type": kind, "message": f"(no text: {type(broken).__name__})", "traceback": ""}


def uuid7() -> str:
    """A version 7 UUID, which Opik requires: ids sort by the millisecond in which they were made."""
    milliseconds = time.time_ns() // 1_000_000
    bits = (milliseconds << 80) | (0x7 << 76) | (secrets.randbits(12) << 64) | (0b10 << 62) | secrets.randbits(62)
    return str(uuid.UUID(int=bits))
