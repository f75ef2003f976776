"""Which authors there are, remembered for a few seconds, so that a question does not wait for the warehouse."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from twin.errors import ServiceUnavailable, UnknownAuthor
from twin.records import slug

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

__all__ = ["Authors", "resolve"]

log = logging.getLogger(__name__)

FRESH_SECONDS = 5.0
WAIT_SECONDS = 1.0
"""How long a question waits for the warehouse before it goes on without it."""
SHOWN = 5


class Authors:
    """The names of the authors in the warehouse, through a cache that outlives an outage of the warehouse."""

    def __init__(self, load: Callable[[], Awaitable[list[str]]], *, now: Callable[[], float] = time.monotonic) -> None:
        self._load = load
        self._now = now
        self._names: list[str] | None = None
        self._tried_at = float("-inf")
        self._loading: asyncio.Task[None] | None = None

    async def names(self) -> list[str]:
        """The authors' names; empty when the warehouse has never answered."""
        if self._now() - self._tried_at >= FRESH_SECONDS:
            await self._refresh()
        return self._names or []

    async def resolve(self, wanted: str) -> str:
        """The author's name as stored, found by name or id, whatever the case.

        While the warehouse has never answered, any name is taken as it is: for a wrong one, retrieval finds nothing.

        Raises:
            UnknownAuthor: The warehouse has no document of that author.
        """
        if (name := _match(wanted, await self.names())) is not None:
            return name
        await self._refresh()  # the author may have arrived since
        return wanted if self._names is None else resolve(wanted, self._names)

    async def _refresh(self) -> None:
        """Waits a moment for the warehouse; a slow answer is still taken when it comes."""
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._reload())
        await asyncio.wait([self._loading], timeout=WAIT_SECONDS)
        self._tried_at = self._now()

    async def _reload(self) -> None:
        try:
            self._names = await self._load()
        except ServiceUnavailable as error:
            log.warning("authors are not known anew, the last known ones stand: %s", error)


def resolve(wanted: str, names: Sequence[str]) -> str:
    """The one of `names` that is wanted by name or id, whatever the case.

    Raises:
        UnknownAuthor: None is.
    """
    if (name := _match(wanted, names)) is not None:
        return name
    raise UnknownAuthor(f"There is no author “{wanted[:80]}”. {_known(names)}")


def _match(wanted: str, names: Sequence[str]) -> str | None:
    if wanted in names:
        return wanted
    return next((name for name in names if slug(name) == slug(wanted)), None)


def _known(names: Sequence[str]) -> str:
    if not names:
        return "No documents have been ingested yet: `llm-twin ingest PATH_OR_URL`."
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"Known: {', '.join(names[:SHOWN])}{more}."
