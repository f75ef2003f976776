"""The connections of a client to one server: a pool for threads, and one for the tasks of an event loop."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twin import http_clients

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    import httpx

__all__ = ["Connections"]


@dataclass
class _Pool:
    """Connections of one event loop, and how many answers use them."""

    loop: asyncio.AbstractEventLoop
    client: httpx.AsyncClient
    answers: int = 0


class Connections:
    """Connections to the server at `url`, opened when they are first needed, also after they were closed."""

    def __init__(self, url: str, headers: Mapping[str, str], timeouts: httpx.Timeout) -> None:
        self._url = url
        self._headers = headers
        self._timeouts = timeouts
        self._threads: httpx.Client | None = None
        self._pool: _Pool | None = None

    def of_threads(self) -> httpx.Client:
        """The synchronous pool. Threads that race to make it make one too many, which is then collected."""
        if self._threads is None:
            self._threads = http_clients.client(self._url, headers=self._headers, timeout=self._timeouts)
        return self._threads

    @contextlib.asynccontextmanager
    async def of_loop(self) -> AsyncGenerator[httpx.AsyncClient]:
        """The asynchronous pool, for one answer.

        An answer that is abandoned takes the pool out of use, and whoever leaves it last closes it: a request that is
        cancelled just when its connection stands leaves the connection behind, which httpx would count as busy for
        good (seen once in 50 to 100 times). Connections belong to one event loop, so another loop gets another pool.
        """
        loop = asyncio.get_running_loop()
        pool = self._pool
        if pool is None or pool.loop is not loop:
            made = http_clients.async_client(self._url, headers=self._headers, timeout=self._timeouts)
            pool = self._pool = _Pool(loop, made)
        pool.answers += 1
        try:
            yield pool.client
        except (asyncio.CancelledError, GeneratorExit):
            if self._pool is pool:
                self._pool = None
            raise
        finally:
            pool.answers -= 1
            if self._pool is not pool and not pool.answers:
                await asyncio.shield(pool.client.aclose())

    def close(self) -> None:
        """Closes the synchronous pool."""
        if self._threads is not None:
            self._threads.close()
            self._threads = None

    async def aclose(self) -> None:
        """Closes both pools."""
        self.close()
        if self._pool is not None:
            pool, self._pool = self._pool, None
            await pool.client.aclose()
