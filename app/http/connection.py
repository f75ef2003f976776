"""Noticing that a client went away, and stopping what was done for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from typing import Any, TypeVar

from litestar import Request
from litestar.background_tasks import BackgroundTask
from litestar.response import Stream

__all__ = ["CLIENT_CLOSED_REQUEST", "ClientGone", "event_stream", "while_connected"]

T = TypeVar("T")

CLIENT_CLOSED_REQUEST = 499


class ClientGone(Exception):
    """The client closed the connection before its answer was there."""


async def while_connected(request: Request[Any, Any, Any], work: Awaitable[T]) -> T:
    """The result of `work`, which is cancelled when the client leaves.

    Raises:
        ClientGone: It left.
    """
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()


def event_stream(events: AsyncGenerator[bytes], *, source: AsyncGenerator[Any]) -> Stream:
    """A response of server-sent events, which are made from `source`.

    The source is closed at the end, also when the client leaves in the middle or before the first event was sent.
    """
    return Stream(
        events,
        media_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
        background=BackgroundTask(source.aclose),
    )


async def _gone(request: Request[Any, Any, Any]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue
