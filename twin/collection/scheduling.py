"""Reading many sources at once: hosts beside each other, the sources of one host one after another.

Every host has a thread of its own, up to `WORKERS` of them, and so have the places on this machine together. What they
find goes through one bounded channel: when its reader is slow, the threads wait, so memory stays flat however much
there is to read.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Generator
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from twin.collection.events import Ended, Found, Idle
from twin.collection.registry import collector_of
from twin.collection.web.source_hosts import host_of
from twin.errors import CollectionError, ServiceUnavailable, SourceFailed, TwinError
from twin.records import Document

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from twin.collection.events import Event
    from twin.collection.session import Session
    from twin.records import Source

__all__ = ["WORKERS", "collect_all"]

WORKERS = 32
"""Hosts that are read at once. Threads, as they wait for servers nearly all of the time."""
WAITING_EVENTS = 256
WAITING_CHARS = 16_000_000
"""So much may wait in the channel; one document more is let in when it is empty."""
IDLE_SECONDS = 0.5
JOIN_SECONDS = 10.0

logger = logging.getLogger(__name__)


def collect_all(
    sources: Iterable[Source], session: Session, *, done: Collection[str] = (), workers: int = WORKERS
) -> Generator[Event]:
    """What `sources` have, as it comes; the items of each source in their order, then how it ended.

    A source that fails, whatever the reason, ends with that reason and stops no other. Closing the iterator, or Ctrl-C
    while it waits, closes the session and ends every thread.

    Args:
        sources: What to read; one that comes twice is read once.
        session: Shared by all of them.
        done: Ids of sources that were dealt with before; they end at once.
        workers: Hosts that are read at once.

    Raises:
        ServiceUnavailable: Something that the run itself needs does not answer, such as the warehouse.
    """
    todo = []
    for source in {source.id: source for source in sources}.values():
        if source.id in done:
            yield Ended(source, complete=False, repeated=True)
        else:
            todo.append(source)
    groups: SimpleQueue[list[Source]] = SimpleQueue()
    by_host = _by_host(todo)
    for group in by_host:
        groups.put(group)
    channel = _Channel()
    threads = [
        threading.Thread(target=_work, args=(groups, session, channel), name=f"collect-{number}", daemon=True)
        for number in range(min(workers, len(by_host)))
    ]
    try:
        for thread in threads:
            thread.start()
        yield from channel.read(len(todo))
    except BaseException:
        channel.close()
        session.close()
        raise
    finally:
        _join(threads)


class _ChannelClosed(Exception):
    """Nobody reads any more."""


class _Channel:
    """A bounded queue of events, by number and by size of their text."""

    def __init__(self) -> None:
        self._events: deque[tuple[Event, int]] = deque()
        self._chars = 0
        self._closed = False
        self._fatal: BaseException | None = None
        self._changed = threading.Condition()

    def put(self, event: Event) -> None:
        """Adds an event, when there is room for it."""
        chars = len(event.item.content) if isinstance(event, Found) and isinstance(event.item, Document) else 0
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_room_for(chars))
            if self._closed:
                raise _ChannelClosed
            self._events.append((event, chars))
            self._chars += chars
            self._changed.notify_all()

    def read(self, sources: int) -> Iterator[Event]:
        """The events until so many sources have ended."""
        while sources:
            event = self._get()
            sources -= isinstance(event, Ended)
            yield event

    def close(self) -> None:
        """Nothing more is taken; who waits to add something gives up."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """Makes the reader raise an error."""
        with self._changed:
            self._fatal = self._fatal or error
            self._changed.notify_all()

    def _get(self) -> Event:
        with self._changed:
            self._changed.wait_for(lambda: self._fatal or self._events, timeout=IDLE_SECONDS)
            if self._fatal:
                raise self._fatal
            if not self._events:
                return Idle()
            event, chars = self._events.popleft()
            self._chars -= chars
            self._changed.notify_all()
            return event

    def _has_room_for(self, chars: int) -> bool:
        few = len(self._events) < WAITING_EVENTS
        return few and (not self._chars or self._chars + chars <= WAITING_CHARS)


def _by_host(sources: Iterable[Source]) -> list[list[Source]]:
    """The sources of each host; those on this machine first."""
    groups: dict[str, list[Source]] = {}
    for source in sources:
        groups.setdefault(host_of(source.location) or "", []).append(source)
    return sorted(groups.values(), key=lambda group: host_of(group[0].location) is not None)


def _work(groups: SimpleQueue[list[Source]], session: Session, channel: _Channel) -> None:
    """Reads one group after another, until there are none or nobody reads."""
    try:
        with contextlib.suppress(Empty, _ChannelClosed):
            while True:
                for source in groups.get_nowait():
                    channel.put(_read(source, session, channel))
    except BaseException as error:  # noqa: BLE001 - raised again by whoever reads the channel
        channel.fail(error)


def _read(source: Source, session: Session, channel: _Channel) -> Ended:
    """Puts what a source gives into the channel, and returns how it ended."""
    complete = False
    try:
        if host_of(source.location):
            session.check_budget()
    except SourceFailed as error:
        return Ended(source, complete, error, put_off=True)
    try:
        collector = collector_of(source.kind)
        complete = collector.complete
        items = collector.collect(source, session)
        try:
            for item in items:
                channel.put(Found(source, item))
        finally:
            if isinstance(items, Generator):
                items.close()  # at once, so that clones and the like do not outlive the run
    except (ServiceUnavailable, _ChannelClosed):
        raise
    except CollectionError as error:
        return Ended(source, complete, error)
    except TwinError as error:
        return Ended(source, complete, SourceFailed(error.message, detail=error.detail))
    except Exception as error:
        logger.exception("Reading the %s %s failed", source.kind, source.location)
        reason = f"{type(error).__name__} while it was read: a fault of the {source.kind} collector, told in the log."
        return Ended(source, complete, SourceFailed(reason, detail=repr(error)))
    return Ended(source, complete)


def _join(threads: Iterable[threading.Thread]) -> None:
    deadline = time.monotonic() + JOIN_SECONDS
    for thread in threads:
        if thread.ident is not None:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                logger.warning("%s has not ended within %.0f s", thread.name, JOIN_SECONDS)
