"""Searching and answering."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from litestar import Request, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody
from litestar.response import Stream

from app.http.connection import event_stream, while_connected
from app.rag.schema import Problem, RagRequest, SearchRequest, SearchResponse
from twin.rag.engine import Rag
from twin.rag.messages import Answer, Event

__all__ = ["PROBLEMS", "ROUTES"]

PROBLEMS = {
    400: ResponseSpec(Problem, description="The request does not fit", generate_examples=False),
    404: ResponseSpec(Problem, description="No such author", generate_examples=False),
    413: ResponseSpec(Problem, description="The body is too large", generate_examples=False),
    429: ResponseSpec(Problem, description="The model's queue is full", generate_examples=False),
    502: ResponseSpec(Problem, description="The model stopped in the middle", generate_examples=False),
    503: ResponseSpec(Problem, description="Something that is needed is away", generate_examples=False),
}


@post("/search", status_code=200, responses=PROBLEMS, summary="Find passages")
async def search(data: JSONBody[SearchRequest], rag: NamedDependency[Rag]) -> SearchResponse:
    """The passages that fit a query best, whether or not they are relevant enough to answer from."""
    return SearchResponse.of(await rag.search(data.query, data.k, data.author))


@post("/rag", status_code=200, responses=PROBLEMS, summary="Answer a question")
async def answer(request: Request[Any, Any, Any], data: JSONBody[RagRequest], rag: NamedDependency[Rag]) -> Answer:
    """An answer in the author's voice with its sources; each sentence tells which of them support it."""
    return await while_connected(request, rag.answer(data.question()))


@post("/rag/stream", status_code=200, responses=PROBLEMS, media_type="text/event-stream", summary="Stream an answer")
async def stream(data: JSONBody[RagRequest], rag: NamedDependency[Rag]) -> Stream:
    """The answer as server-sent events: `sources`, then `token`s, then `done` or `error`. `retract` takes back
    the tokens before it: its text stands in their place."""
    events = rag.stream(data.question())
    first = await anext(events)  # what is wrong before the first event still gets a status of its own
    return event_stream(_encoded(first, events), source=events)


async def _encoded(first: Event, rest: AsyncGenerator[Event]) -> AsyncGenerator[bytes]:
    yield _encode(first)
    async for event in rest:
        yield _encode(event)


def _encode(event: Event) -> bytes:
    name = str(type(event).__struct_config__.tag).encode()
    return b"event: %s\ndata: %s\n\n" % (name, msgspec.json.encode(event))


ROUTES = [search, answer, stream]
