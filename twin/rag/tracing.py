"""What the engine needs of tracing; `twin.monitoring.tracing.Tracer` is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["Span", "SpanType", "Tracer"]

SpanType = Literal["general", "llm", "tool"]


class Span(Protocol):
    """A step of a trace, or its root. No method raises."""

    @property
    def id(self) -> str | None:
        """The trace's id on the root."""
        ...

    def update(
        self,
        *,
        output: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        usage: dict[str, int] | None = None,
    ) -> None:
        """Adds what became known."""
        ...

    def score(self, name: str, value: float) -> None:
        """Attaches a figure."""
        ...


class Tracer(Protocol):
    """Opens traces and spans. A span belongs to the trace that is open in the same context."""

    def trace(
        self, name: str, *, input: dict[str, Any], metadata: dict[str, Any] | None = None
    ) -> AbstractContextManager[Span]:
        """A trace for the length of the block."""
        ...

    def span(
        self, name: str, *, type: SpanType, input: dict[str, Any] | None = None, model: str | None = None
    ) -> AbstractContextManager[Span]:
        """A span for the length of the block."""
        ...
