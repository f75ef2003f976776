"""Noticing that a client went away, without a server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from app.http.connection import ClientGone, event_stream, while_connected

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


class Client:
    """A request whose client leaves when the test says so."""

    def __init__(self) -> None:
        self.leaves = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.leaves.wait()
        return {"type": "http.disconnect"}


def test_work_for_a_client_who_stays_is_finished() -> None:
    async def work() -> int:
        return 7

    async def ask() -> int:
        request: Any = Client()
        return await while_connected(request, work())

    assert asyncio.run(ask()) == 7


def test_work_for_a_client_who_leaves_is_cancelled() -> None:
    ended: list[str] = []

    async def work(client: Client) -> None:
        try:
            client.leaves.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def ask() -> None:
        request: Any = Client()
        with pytest.raises(ClientGone):
            await while_connected(request, work(request))
        await asyncio.sleep(0)  # one turn of the loop, in which the cancelled work ends

    asyncio.run(ask())
    assert ended == ["cancelled"]


def test_a_stream_that_nobody_read_closes_its_source() -> None:
    ended: list[str] = []

    async def source() -> AsyncGenerator[int]:
        try:
            yield 1
            yield 2
        finally:
            ended.append("closed")

    async def events(first: int, rest: AsyncGenerator[int]) -> AsyncGenerator[bytes]:
        yield b"%d" % first
        async for number in rest:
            yield b"%d" % number

    async def answer() -> None:
        numbers = source()
        response = event_stream(events(await anext(numbers), numbers), source=numbers)
        assert ended == []
        assert response.background is not None
        await response.background()

    asyncio.run(answer())
    assert ended == ["closed"]
