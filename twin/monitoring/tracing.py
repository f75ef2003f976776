"""Traces of requests, sent to Opik after the response and never in its way.

    with tracer.trace("rag", input={"question": question}) as trace:
        with tracer.span("generation", type="llm", model="llm-twin:1.0.0") as span:
            span.update(output={"answer": answer}, usage={"prompt_tokens": 120, "completion_tokens": 40})
        trace.score("time_to_first_token", 310.0)

During the request a trace is a tree of plain objects; when it ends, the tree goes to `twin.monitoring.delivery`, whose
thread feeds the SDK. The request pays microseconds, the SDK's own context (which cancelled tasks and generators leave
open) is not used, and nothing here raises into the caller: the caller's own errors are recorded on their way out.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from twin.monitoring.delivery import Delivery
from twin.monitoring.spans import Span, SpanType, TraceScore, snapshot, uuid7
from twin.records import utcnow

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from datetime import datetime

    from twin.settings import OpikSettings

__all__ = ["Span", "Tracer"]

_current: ContextVar[Span | None] = ContextVar("current_span", default=None)


class Tracer:
    """Makes traces and hands them over. With tracing off it has the same interface and does nothing.

    `address` gives the URL of Opik's API as it is now, for example `http://127.0.0.1:8001/opik/api`, or None while
    there is none; traces wait for it.
    """

    def __init__(
        self,
        settings: OpikSettings,
        address: Callable[[], str | None],
        *,
        new_id: Callable[[], str] = uuid7,
        clock: Callable[[], datetime] = utcnow,
    ) -> None:
        self._new_id = new_id
        self._clock = clock
        self._delivery = Delivery(settings, address) if settings.enabled else None

    @property
    def dropped(self) -> int:
        """Traces that were given up because the server did not take them."""
        return self._delivery.dropped if self._delivery else 0

    @contextmanager
    def trace(
        self,
        name: str,
        *,
        input: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
        tags: Sequence[str] = (),
        thread_id: str | None = None,
    ) -> Generator[Span, None, None]:
        """Traces the block as one request. What the block raises is recorded and raised on."""
        root = Span(name, id=self._new_id() if self._delivery else "", start_time=self._clock(), input=input)
        root.metadata = snapshot(metadata or {})
        root.tags = list(tags)
        root.thread_id = thread_id
        try:
            with _measured(root):
                yield root
        finally:
            if self._delivery:
                self._delivery.submit(root)

    @contextmanager
    def span(
        self,
        name: str,
        *,
        type: SpanType = "general",
        input: Mapping[str, Any] | None = None,
        model: str | None = None,
        parent: Span | None = None,
    ) -> Generator[Span, None, None]:
        """Traces the block as a step of `parent`, by default of the step around it; outside a trace, not kept."""
        above = parent or _current.get()
        if above is None or above.root.end_time is not None:
            yield Span(name, id="", start_time=self._clock(), type=type, input=input, model=model)
            return
        key = self._new_id() if self._delivery else ""
        span = Span(name, id=key, start_time=self._clock(), parent=above, type=type, input=input, model=model)
        above.root.spans.append(span)
        with _measured(span):
            yield span

    def rate(self, trace_id: str, name: str, value: float, reason: str = "") -> None:
        """Adds a score to a trace that may have ended long ago. Returns at once."""
        if self._delivery:
            self._delivery.submit(TraceScore(trace_id, name, value, reason))

    def warm_up(self) -> None:
        """Loads the SDK (2 to 4 s) in the background, so that no trace waits for it. Returns at once."""
        if self._delivery:
            self._delivery.start()

    def flush(self, timeout: float) -> bool:
        """Waits until everything traced so far was delivered, `timeout` seconds at most. True when it was."""
        return self._delivery.flush(timeout) if self._delivery else True


@contextmanager
def _measured(span: Span) -> Generator[None, None, None]:
    """Times the block, makes `span` the step around what happens in it, and records what it raises.

    A block that is cancelled, or a generator that is closed, was stopped by whoever wanted it: that is no error.
    The step around is put back by value, not by token: a generator may be closed in another context than it began in.
    """
    above = _current.get()
    _current.set(span)
    started = time.perf_counter()
    try:
        yield
    except (asyncio.CancelledError, GeneratorExit):
        raise
    except BaseException as error:
        span.update(error=error)
        raise
    finally:
        span.end_time = span.start_time + timedelta(seconds=time.perf_counter() - started)
        _current.set(above)
