"""When a host may be asked: one request at a time, with pauses as long as the host makes us wait, or longer."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections import deque
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import msgspec

from twin.errors import SourceFailed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from twin.settings import SourceSettings

__all__ = [
    "BACKOFF_CAP_SECONDS",
    "BACKOFF_SECONDS",
    "MAX_FAILURES",
    "Budget",
    "Host",
    "Timing",
    "backoff",
    "retry_after",
]

MAX_FAILURES = 5
"""After so many failures in a row, a host's other URLs are left for the next run."""
JUDGED_BY = 3
"""Answers whose median says how fast a host is."""
BACKOFF_SECONDS = 1.0
BACKOFF_CAP_SECONDS = 30.0


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Time and chance. A test gives its own, and need not wait."""

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    """Seconds since 1970, to compare with dates that servers send."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random
    """From 0 to 1."""


class Host:
    """The turns of one host."""

    def __init__(self, name: str, settings: SourceSettings, timing: Timing) -> None:
        self.name = name
        self._settings = settings
        self._timing = timing
        self._turn = asyncio.Lock()
        self._free_at = 0.0
        self._took: deque[float] = deque(maxlen=JUDGED_BY)
        self._failures = 0
        self._left: str | None = None
        self.crawl_delay = 0.0
        """Seconds between requests that the host's robots.txt asks for."""

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Waits until the host may be asked; while it is held, nobody else asks.

        Raises:
            SourceFailed: The host is left alone for the rest of the run.
        """
        self.check()
        async with self._turn:
            while (wait := self._free_at - self._timing.monotonic()) > 0:
                self.check()
                await self._timing.sleep(wait)
            self.check()
            yield

    def pause_after(self, began: float, ended: float) -> None:
        """Pauses after a request, in proportion to what answers take, and keeps below a rate. Times are the clock's.

        Proportional pauses are Heritrix's (Mohr et al., "An Introduction to Heritrix", IWAW 2004, `delay-factor`). It
        is the median of the last answers that counts, so that one that was late, because of us perhaps, does not slow
        down a page five times; the pause is never shorter than the last answer took.
        """
        settings = self._settings
        self._took.append(ended - began)
        in_proportion = max(settings.host_delay_factor * statistics.median_high(self._took), ended - began)
        asked_for = min(self.crawl_delay, settings.max_crawl_delay_seconds)
        self._free_at = max(
            self._free_at,
            began + settings.host_delay_min_seconds,
            ended + min(in_proportion, settings.host_delay_max_seconds),
            ended + asked_for,
        )

    def pause(self, seconds: float) -> None:
        """Nobody asks for so long."""
        self._free_at = max(self._free_at, self._timing.monotonic() + seconds)

    def answered(self) -> None:
        """It works: what failed before is forgotten."""
        self._failures = 0

    def failed(self, reason: str) -> None:
        """A URL was given up, through no fault of its own."""
        self._failures += 1
        if self._failures >= MAX_FAILURES:
            self.leave(f"{self.name} failed {self._failures} times in a row, the last time because {reason}")

    def leave(self, reason: str) -> None:
        """The rest of the run does without this host."""
        self._left = f"{reason}; its other pages are left for the next run"

    def check(self) -> None:
        if self._left:
            raise SourceFailed(self._left)


class Budget:
    """What one run may use."""

    def __init__(self, settings: SourceSettings, timing: Timing) -> None:
        self._settings = settings
        self._timing = timing
        self._began = timing.monotonic()
        self._requests = 0
        self._bytes = 0

    def check(self) -> None:
        """Whether there is something left.

        Raises:
            SourceFailed: Something is used up.
        """
        settings = self._settings
        seconds = self._timing.monotonic() - self._began
        for used, limit, unit, name in (
            (self._requests, settings.run_requests, "requests", "COLLECTION_RUN_REQUESTS"),
            (self._bytes, settings.run_bytes, "bytes", "COLLECTION_RUN_BYTES"),
            (seconds, settings.run_seconds, "s", "COLLECTION_RUN_SECONDS"),
        ):
            if used >= limit:
                raise SourceFailed(
                    f"the run's budget of {limit:,.0f} {unit} is used up; the next run goes on ({name} raises it)"
                )

    def take_request(self) -> None:
        """Counts a request.

        Raises:
            SourceFailed: Something is used up.
        """
        self.check()
        self._requests += 1

    def take_bytes(self, count: int) -> None:
        """Counts what was received; the next request is told when it was too much."""
        self._bytes += count


def backoff(attempt: int, chance: float) -> float:
    """Seconds to wait after the failed attempt number `attempt`, counted from 0: exponential, with full jitter.

    Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    return chance * min(BACKOFF_CAP_SECONDS, BACKOFF_SECONDS * 2**attempt)


def retry_after(value: str | None, now: float) -> float | None:
    """The seconds that a `Retry-After` header asks for, None when there is none that can be read.

    It is a number of seconds or a date (RFC 9110, section 10.2.3); `now` are the seconds since 1970.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) < 300 else float("inf")
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
