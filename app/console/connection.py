"""The console's one database, wherever MongoDB is now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

__all__ = ["Connection"]


class Connection:
    """Connects on first use, and anew when the address is another one: a restart may move the local mongod.

    Args:
        uri: Tells where MongoDB is now. May raise WarehouseUnavailable, which every use then raises.
        name: The database's.
        timeout_seconds: How long to look for a server.
        preparations: Called with the database the first time that it answers.
    """

    def __init__(
        self,
        uri: Callable[[], str],
        name: str,
        *,
        timeout_seconds: float,
        preparations: Sequence[Callable[[AsyncDatabase[dict[str, Any]]], Awaitable[None]]] = (),
    ) -> None:
        self._uri = uri
        self._name = name
        self._timeout = int(timeout_seconds * 1_000)
        self._preparations = preparations
        self._client: AsyncMongoClient[dict[str, Any]] | None = None
        self._connected_to = ""
        self._is_prepared = False
        self._closing: set[asyncio.Task[None]] = set()

    def database(self) -> AsyncDatabase[dict[str, Any]]:
        """The database at its present address. Call it in the event loop."""
        uri = self._uri()
        if self._client is None or uri != self._connected_to:
            self._leave()
            self._client = AsyncMongoClient(
                uri, serverSelectionTimeoutMS=self._timeout, appname="llm-twin-console", tz_aware=True
            )
            self._connected_to = uri
        return self._client[self._name]

    async def prepare(self) -> None:
        """Returns when the database answered and is prepared. Raises PyMongoError or WarehouseUnavailable."""
        database = self.database()
        await database.command("ping")
        if not self._is_prepared:
            for preparation in self._preparations:
                await preparation(database)
            self._is_prepared = True

    async def close(self) -> None:
        """Closes the connections."""
        self._leave()
        await asyncio.gather(*self._closing)

    def _leave(self) -> None:
        """Closes the client that is left behind; requests that still use it fail as they would anyway."""
        if self._client is not None:
            task = asyncio.create_task(self._client.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
            self._client = None
