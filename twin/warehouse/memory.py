"""The memory of one run: visits, read ahead of being asked for.

A folder of a hundred thousand files asks for a hundred thousand visits in the order of their URLs, and a thousand
articles ask for one visit each, at the source's own location. One by one that is two round trips each; several hundred
at a time it is next to nothing.
"""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import msgspec

from twin.records import Visit  # noqa: TC001 - msgspec reads the annotations
from twin.warehouse import visits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from twin.records import Source
    from twin.warehouse.connection import Connection

__all__ = ["RunMemory"]

LARGEST_WINDOW = 512
SOURCES_AT_ONCE = 256
SOURCES = 64
"""Windows are kept of so many sources at once."""


class _Window(msgspec.Struct):
    """All visits of a source from one URL up to another."""

    first: str
    last: str | None
    """None when there are no more."""
    found: dict[str, Visit]
    size: int
    asked: int = 0

    def covers(self, url: str) -> bool:
        return self.first <= url and (self.last is None or url <= self.last)


class RunMemory:
    """A `twin.collection.Memory` for the length of one run. Safe to share between threads."""

    def __init__(self, connection: Connection, sources: Sequence[Source] = ()) -> None:
        self._connection = connection
        self._waiting = {source.id: source for source in sources}
        """Those whose own location was not read ahead yet, in their order."""
        self._own: dict[str, Visit] = {}
        self._windows: OrderedDict[str, _Window] = OrderedDict()
        self._lock = threading.Lock()

    def visit(self, source: Source, url: str) -> Visit | None:
        """The last look at a place of a source; None before the first, or when documents that it gave are gone."""
        key = source.id
        if url == source.location and (own := self._own_visit(key)):
            return own
        with self._lock:
            window = self._windows.get(key)
        if window is None or not window.covers(url):
            window = self._read(source, url, _next_size(window))
        window.asked += 1
        return window.found.get(url)

    def visits(self, source: Source) -> Iterator[Visit]:
        """Every place of a source that was looked at and whose documents are there, in the order of their URLs."""
        with self._connection.reaching():
            yield from visits.all_of(self._database, source)

    def _own_visit(self, key: str) -> Visit | None:
        """The visit at a source's own location, if it was read ahead; reads those of the next sources when due."""
        with self._lock:
            if key in self._waiting:
                chosen = [key, *itertools.islice(self._waiting, SOURCES_AT_ONCE)]
                taken = {each: self._waiting.pop(each) for each in dict.fromkeys(chosen)}
                with self._connection.reaching():
                    self._own |= visits.at_their_locations(self._database, taken)
            return self._own.pop(key, None)

    @property
    def _database(self) -> Any:
        return self._connection.database

    def _read(self, source: Source, url: str, size: int) -> _Window:
        with self._connection.reaching():
            found, last = visits.read_from(self._database, source, url, size)
        window = _Window(first=url, last=last, found={visit.url: visit for visit in found}, size=size)
        with self._lock:
            self._windows[source.id] = window
            self._windows.move_to_end(source.id)
            if len(self._windows) > SOURCES:
                self._windows.popitem(last=False)
        return window


def _next_size(used: _Window | None) -> int:
    """Twice as many as last time when most of those were asked for, else one."""
    if used is None or used.asked * 2 < used.size:
        return 1
    return min(used.size * 2, LARGEST_WINDOW)
