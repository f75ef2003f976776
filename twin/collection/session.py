"""What the sources of one run have in common: settings, the way to the web, and what was seen at the last look."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from twin.records import utcnow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from twin.collection.web.browser import Browser
    from twin.collection.web.fetch import Fetcher
    from twin.records import Source, Visit
    from twin.settings import SourceSettings

__all__ = ["Memory", "NoMemory", "Session"]


class Memory(Protocol):
    """What earlier runs saw. The warehouse is one."""

    def visit(self, source: Source, url: str) -> Visit | None:
        """The last look at a place of a source, None before the first."""
        ...

    def visits(self, source: Source) -> Iterator[Visit]:
        """Every place of a source that was looked at, in the order of their URLs."""
        ...


class NoMemory:
    """A first look at everything."""

    def visit(self, source: Source, url: str) -> Visit | None:
        return None

    def visits(self, source: Source) -> Iterator[Visit]:
        return iter(())


class _Current:
    """A memory without the looks at what has since come out or expired, so that it is read again, changed or not."""

    def __init__(self, memory: Memory, clock: Callable[[], datetime]) -> None:
        self._memory = memory
        self._clock = clock

    def visit(self, source: Source, url: str) -> Visit | None:
        visit = self._memory.visit(source, url)
        return visit if visit and self._holds(visit) else None

    def visits(self, source: Source) -> Iterator[Visit]:
        return (visit for visit in self._memory.visits(source) if self._holds(visit))

    def _holds(self, visit: Visit) -> bool:
        return visit.until is None or visit.until > self._clock()


class Session:
    """One run of collection. A context manager: leaving it closes the connections. Safe to share between threads."""

    def __init__(
        self,
        settings: SourceSettings,
        *,
        memory: Memory | None = None,
        cache: Path | None = None,
        inbox: Path | None = None,
        looked_since: datetime | None = None,
        clock: Callable[[], datetime] = utcnow,
    ) -> None:
        self.settings = settings
        self.memory: Memory = _Current(memory or NoMemory(), clock)
        self.cache = cache
        """A folder for what a later run can use again, such as clones; None where nothing is to be kept."""
        self.inbox = inbox
        """The folder of what came through standard input; None where there is none."""
        self.looked_since = looked_since
        """When the run that was cut off and that this one completes began; what it looked at is not asked again."""
        self.clock = clock
        self.stopped = threading.Event()
        """Set when the run is over or was interrupted: who waits for a delay or a server gives up."""
        self._making = threading.Lock()
        self._fetcher: Fetcher | None = None
        self._browser: Browser | None = None

    def is_fresh(self, visit: Visit) -> bool:
        """Whether a place was looked at in the run that this one goes on with, so that it counts as unchanged."""
        since, checked = self.looked_since, visit.checked_at
        return since is not None and checked is not None and checked >= since

    @property
    def fetcher(self) -> Fetcher:
        """The one way to the web, which keeps to every host's pace across all sources of the run."""
        with self._making:
            if self._fetcher is None:
                from twin.collection.web.fetch import Fetcher

                self._fetcher = Fetcher(self.settings, is_fresh=self.is_fresh)
            return self._fetcher

    def check_budget(self) -> None:
        """Whether the run may still ask servers.

        Raises:
            SourceFailed: Its budget is used up.
        """
        if self._fetcher is not None:
            self._fetcher.check_budget()

    @property
    def browser(self) -> Browser | None:
        """For pages that are made by JavaScript; None where the settings want none. Started when it is first used."""
        if self.settings.browser == "off":
            return None
        fetcher = self.fetcher
        with self._making:
            if self._browser is None:
                from twin.collection.web.browser import Browser

                self._browser = Browser(self.settings, fetcher)
            return self._browser

    def close(self) -> None:
        """Closes the connections, and wakes up who waits."""
        self.stopped.set()
        for opened in (self._browser, self._fetcher):
            if opened:
                opened.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
