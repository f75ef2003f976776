"""The pages on traces, and the same content as JSON for the CLI and for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from litestar import get
from litestar.params import FromPath, QueryParameter
from litestar.response import Template

from app.console import layout
from app.console.dependencies import Database
from app.console.store import opik_search
from app.console.store.opik import TraceStore
from app.console.store.opik_records import Span, Trace
from app.console.store.opik_views import Summary, summarize, waterfall

if TYPE_CHECKING:
    from litestar.types import ControllerRouterHandler

__all__ = ["route_handlers"]

PAGE_SIZE = 50
MAX_PAGE_SIZE = 500

PageNumber = Annotated[int, QueryParameter(ge=1, le=1_000_000)]
Limit = Annotated[int, QueryParameter(ge=1, le=MAX_PAGE_SIZE)]
Text = Annotated[str, QueryParameter(max_length=500)]


class TraceList(msgspec.Struct, kw_only=True):
    """One page of the list, newest first."""

    traces: list[Summary]
    page: int
    more: bool
    """Whether there is a page after this one."""


class TraceDetail(msgspec.Struct, kw_only=True):
    """One trace with everything under it."""

    summary: Summary
    trace: Trace
    spans: list[Span]


@get("/traces")
async def show_traces(database: Database, text: Text = "", page: PageNumber = 1) -> Template:
    """The list of traces."""
    found = await list_of_traces(database, text, page, PAGE_SIZE)
    return layout.page("traces.html", active="/traces", title="Traces", context={"found": found, "text": text})


@get("/traces/{trace_id:str}")
async def show_trace(database: Database, trace_id: FromPath[str]) -> Template:
    """One trace as a waterfall."""
    detail = await detail_of_trace(database, trace_id)
    context: dict[str, Any] = {"detail": detail, "bars": waterfall(detail.trace, detail.spans)}
    return layout.page("trace.html", active="/traces", title=f"Trace {detail.summary.name}", context=context)


@get("/api/traces")
async def list_traces(database: Database, text: Text = "", page: PageNumber = 1, limit: Limit = PAGE_SIZE) -> TraceList:
    """The list of traces as JSON."""
    return await list_of_traces(database, text, page, limit)


@get("/api/traces/{trace_id:str}")
async def get_trace(database: Database, trace_id: FromPath[str]) -> TraceDetail:
    """One trace as JSON."""
    return await detail_of_trace(database, trace_id)


async def list_of_traces(database: Database, text: str, page: int, limit: int) -> TraceList:
    """A page of traces whose name, id, input or output contains `text`."""
    store = TraceStore(database)
    traces = await store.traces(opik_search.anywhere(text), limit=limit + 1, skip=(page - 1) * limit)
    shown = traces[:limit]
    spans = await store.spans_of([trace.id for trace in shown])
    summaries = [summarize(trace, spans[trace.id]) for trace in shown]
    return TraceList(traces=summaries, page=page, more=len(traces) > limit)


async def detail_of_trace(database: Database, trace_id: str) -> TraceDetail:
    """One trace and its spans.

    Raises:
        UnknownName: There is no trace of that id.
    """
    store = TraceStore(database)
    trace = await store.trace(trace_id)
    spans = (await store.spans_of([trace_id]))[trace_id]
    return TraceDetail(summary=summarize(trace, spans), trace=trace, spans=spans)


route_handlers: list[ControllerRouterHandler] = [show_traces, show_trace, list_traces, get_trace]
