"""The part of Opik's HTTP API that the `opik` SDK uses to send traces and to read them back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response, Router, get, patch, post, put
from litestar.exceptions import ClientException
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from app.console.dependencies import Database
from app.console.store import opik_search
from app.console.store.opik import TraceStore
from app.console.store.opik_records import (
    Project,
    Score,
    ScoreWrite,
    Span,
    SpanUpdate,
    SpanWrite,
    Trace,
    TraceUpdate,
    TraceWrite,
    project_id,
)
from app.console.store.opik_views import total_usage
from app.http.bodies import read_json
from twin.deployment.addresses import OPIK_PATH
from twin.errors import UnknownName

if TYPE_CHECKING:
    from litestar.types import ControllerRouterHandler

__all__ = ["route_handlers"]

WORKSPACE = "default"
NDJSON = "application/x-ndjson"


class TraceBatch(msgspec.Struct):
    """Traces sent together."""

    traces: list[TraceWrite]


class SpanBatch(msgspec.Struct):
    """Spans sent together."""

    spans: list[SpanWrite]


class ScoreBatch(msgspec.Struct):
    """Scores sent together."""

    scores: list[ScoreWrite]


class Ids(msgspec.Struct):
    """Which traces to delete."""

    ids: list[str]


class ProjectName(msgspec.Struct):
    """Which project is meant."""

    name: str


@get("/is-alive/ping", sync_to_thread=False)
def ping() -> dict[str, str | bool]:
    """What the SDK asks to know whether the server is reachable."""
    return {"message": "Healthy Server", "healthy": True}


@get("/v1/session/redirect/projects/", sync_to_thread=False)
def redirect(trace_id: FromQuery[str]) -> Redirect:
    """Where the link leads that the SDK logs with its first trace."""
    return Redirect(f"/traces/{trace_id}")


@post("/v1/private/auth", status_code=204, sync_to_thread=False)
def authenticate() -> None:
    """Anyone who reaches the local console may trace."""


@get("/v1/private/auth/workspace", sync_to_thread=False)
def workspace() -> dict[str, str]:
    """The only workspace."""
    return {"workspace_name": WORKSPACE}


@post("/v1/private/traces", status_code=201)
async def create_trace(request: Request, database: Database) -> None:
    """Creates or completes one trace."""
    await TraceStore(database).create_traces([await read_json(request, TraceWrite)])


@post("/v1/private/traces/batch", status_code=204)
async def create_traces(request: Request, database: Database) -> None:
    """Creates or completes traces."""
    await TraceStore(database).create_traces((await read_json(request, TraceBatch)).traces)


@patch("/v1/private/traces/{trace_id:str}", status_code=204)
async def update_trace(request: Request, database: Database, trace_id: FromPath[str]) -> None:
    """Merges fields into one trace."""
    await TraceStore(database).update_trace(trace_id, await read_json(request, TraceUpdate))


@get("/v1/private/traces/{trace_id:str}")
async def get_trace(database: Database, trace_id: FromPath[str]) -> dict[str, Any]:
    """One trace, with its scores and its spans' usage."""
    store = TraceStore(database)
    trace = await store.trace(trace_id)
    return public_trace(trace, (await store.spans_of([trace_id]))[trace_id])


@post("/v1/private/traces/delete", status_code=204)
async def delete_traces(request: Request, database: Database) -> None:
    """Removes traces with their spans and scores."""
    await TraceStore(database).delete_traces((await read_json(request, Ids)).ids)


@put("/v1/private/traces/feedback-scores", status_code=204)
async def score_traces(request: Request, database: Database) -> None:
    """Sets scores on traces."""
    await TraceStore(database).score("trace", (await read_json(request, ScoreBatch)).scores)


@put("/v1/private/traces/{trace_id:str}/feedback-scores", status_code=204)
async def score_trace(request: Request, database: Database, trace_id: FromPath[str]) -> None:
    """Sets one score on one trace that exists."""
    store = TraceStore(database)
    await store.trace(trace_id)
    await store.score("trace", [addressed(await read_json(request, Score), trace_id)])


@post("/v1/private/traces/search", status_code=200)
async def search_traces(request: Request, database: Database) -> Response[bytes]:
    """Traces that match, newest id first, one JSON object a line."""
    search = await read_json(request, opik_search.Search)
    store = TraceStore(database)
    traces = await store.search_traces(opik_search.query(search), limit=search.limit)
    spans = await store.spans_of([trace.id for trace in traces])
    return lines([public_trace(trace, spans[trace.id]) for trace in traces])


@post("/v1/private/spans", status_code=201)
async def create_span(request: Request, database: Database) -> None:
    """Creates or completes one span."""
    await TraceStore(database).create_spans([await read_json(request, SpanWrite)])


@post("/v1/private/spans/batch", status_code=204)
async def create_spans(request: Request, database: Database) -> None:
    """Creates or completes spans."""
    await TraceStore(database).create_spans((await read_json(request, SpanBatch)).spans)


@patch("/v1/private/spans/{span_id:str}", status_code=204)
async def update_span(request: Request, database: Database, span_id: FromPath[str]) -> None:
    """Merges fields into one span."""
    await TraceStore(database).update_span(span_id, await read_json(request, SpanUpdate))


@get("/v1/private/spans/{span_id:str}")
async def get_span(database: Database, span_id: FromPath[str]) -> dict[str, Any]:
    """One span, with its scores."""
    return public_span(await TraceStore(database).span(span_id))


@put("/v1/private/spans/feedback-scores", status_code=204)
async def score_spans(request: Request, database: Database) -> None:
    """Sets scores on spans."""
    await TraceStore(database).score("span", (await read_json(request, ScoreBatch)).scores)


@put("/v1/private/spans/{span_id:str}/feedback-scores", status_code=204)
async def score_span(request: Request, database: Database, span_id: FromPath[str]) -> None:
    """Sets one score on one span that exists."""
    store = TraceStore(database)
    await store.span(span_id)
    await store.score("span", [addressed(await read_json(request, Score), span_id)])


@post("/v1/private/spans/search", status_code=200)
async def search_spans(request: Request, database: Database) -> Response[bytes]:
    """Spans that match, newest id first, one JSON object a line."""
    search = await read_json(request, opik_search.Search)
    spans = await TraceStore(database).search_spans(opik_search.query(search), limit=search.limit)
    return lines([public_span(span) for span in spans])


@get("/v1/private/projects")
async def list_projects(database: Database, name: FromQuery[str | None] = None) -> dict[str, Any]:
    """Every project, or those whose name contains `name`, as one page."""
    found = [
        project for project in await TraceStore(database).projects() if (name or "").lower() in project.name.lower()
    ]
    return {"page": 1, "size": len(found), "total": len(found), "content": msgspec.to_builtins(found)}


@post("/v1/private/projects", status_code=201)
async def create_project(request: Request, database: Database) -> Response[None]:
    """Makes a project; one that exists is left alone."""
    name = (await read_json(request, ProjectName)).name.strip()
    if not name:
        raise ClientException("A project needs a name.")
    await TraceStore(database).add_projects([name])
    return Response(None, status_code=201, headers={"Location": f"{OPIK_PATH}/v1/private/projects/{project_id(name)}"})


@post("/v1/private/projects/retrieve", status_code=200)
async def retrieve_project(request: Request, database: Database) -> Project:
    """The project of a name."""
    wanted = (await read_json(request, ProjectName)).name
    return await find_project(database, project_id(wanted))


@get("/v1/private/projects/{key:str}")
async def get_project(database: Database, key: FromPath[str]) -> Project:
    """The project of an id."""
    return await find_project(database, key)


async def find_project(database: Database, key: str) -> Project:
    """One project.

    Raises:
        UnknownName: There is none of that id.
    """
    for project in await TraceStore(database).projects():
        if project.id == key:
            return project
    raise UnknownName(f"No project has the id {key}.")


def addressed(score: Score, entity_id: str) -> ScoreWrite:
    """A score whose id stood in the path."""
    return ScoreWrite(id=entity_id, **msgspec.structs.asdict(score))


def public_trace(trace: Trace, spans: list[Span]) -> dict[str, Any]:
    """A trace in the shape of the SDK's `TracePublic`."""
    return {
        **msgspec.to_builtins(trace),
        "project_id": project_id(trace.project_name),
        "duration": trace.duration,
        "usage": total_usage(spans),
        "span_count": len(spans),
    }


def public_span(span: Span) -> dict[str, Any]:
    """A span in the shape of the SDK's `SpanPublic`."""
    return {**msgspec.to_builtins(span), "project_id": project_id(span.project_name), "duration": span.duration}


def lines(items: list[dict[str, Any]]) -> Response[bytes]:
    """Items as newline-delimited JSON, which the SDK reads as a stream."""
    return Response(b"".join(msgspec.json.encode(item) + b"\n" for item in items), media_type=NDJSON)


route_handlers: list[ControllerRouterHandler] = [
    Router(
        path=OPIK_PATH,
        route_handlers=[
            ping,
            redirect,
            authenticate,
            workspace,
            create_trace,
            create_traces,
            update_trace,
            get_trace,
            delete_traces,
            score_traces,
            score_trace,
            search_traces,
            create_span,
            create_spans,
            update_span,
            get_span,
            score_spans,
            score_span,
            search_spans,
            list_projects,
            create_project,
            retrieve_project,
            get_project,
        ],
    )
]
