"""Keeping something running: when it counts as gone, and when it is started again."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from twin.errors import TwinError

if TYPE_CHECKING:
    from collections.abc import Callable

    from twin.processes.children import Child

__all__ = ["PATIENCE_SECONDS", "Backoff", "Keeper", "Watch"]

PAUSES_SECONDS = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Before the first, second, ... attempt in a row."""
STEADY_SECONDS = 60.0
"""What ran for this long has recovered: its next failure is a first one again."""
FIRST_ASK_SECONDS = 0.1
"""How often a service is asked whether it is well, until it is so for the first time."""
ASK_SECONDS = 5.0
"""... and from then on."""
PATIENCE_SECONDS = 60.0
"""A service that has not answered for this long hangs. Long, for a machine that trains is slow in all it does."""
FEWEST_QUESTIONS = 4
"""... and was asked so often meanwhile: a supervisor that was stopped, or a laptop that slept, blames nobody."""
POLL_SECONDS = 0.25


class Backoff:
    """How long to wait before something that failed is started again: longer each time, until it was steady."""

    def __init__(self) -> None:
        self.failures = 0
        """Failures in a row."""

    def failed(self, ran_for: float) -> float:
        """Counts a failure of something that had run for `ran_for` seconds; returns the pause in seconds."""
        if ran_for > STEADY_SECONDS:
            self.failures = 0
        pause = PAUSES_SECONDS[min(self.failures, len(PAUSES_SECONDS) - 1)]
        self.failures += 1
        return pause


class Watch:
    """Whether a process still does its work: it has not ended, and it answers. It is asked in a thread of its own.

    Args:
        child: The process.
        is_well: Asks it; returns or raises within seconds.
        patience: Seconds without a good answer after which it is said to hang.
    """

    def __init__(self, child: Child, is_well: Callable[[], bool], *, patience: float = PATIENCE_SECONDS) -> None:
        self.child = child
        self.since = time.monotonic()
        self._is_well = is_well
        self._patience = patience
        self.has_answered = False
        """Whether it was well once."""
        self._last_answer = self.since
        self._unanswered = 0
        self._ended = threading.Event()
        threading.Thread(target=self._ask, name=f"watch-{child.name}", daemon=True).start()

    @property
    def ran_for(self) -> float:
        """Seconds since the watch began."""
        return time.monotonic() - self.since

    def trouble(self) -> str | None:
        """Why it counts as gone, or None while it is well."""
        if (code := self.child.poll()) is not None:
            return f"ended with exit code {code}"
        silence = time.monotonic() - self._last_answer
        if silence > self._patience and self._unanswered >= FEWEST_QUESTIONS:
            return f"has not answered for {silence:.0f} s"
        return None

    def close(self) -> None:
        """Asks no more."""
        self._ended.set()

    def _ask(self) -> None:
        while not self._ended.wait(ASK_SECONDS if self.has_answered else FIRST_ASK_SECONDS):
            try:
                is_well = self._is_well()
            except Exception:  # noqa: BLE001  whatever a question fails with, it was not answered
                is_well = False
            if is_well:
                self._last_answer = time.monotonic()
                self._unanswered = 0
                self.has_answered = True
            else:
                self._unanswered += 1


class Service(Protocol):
    """A running service, as `Keeper` needs it."""

    @property
    def child(self) -> Child: ...

    @property
    def is_well(self) -> Callable[[], bool]: ...


S = TypeVar("S", bound=Service)


class Keeper(Generic[S]):
    """Keeps one service running: a thread starts it again when it ended or hangs, with growing pauses.

    Args:
        name: The service's.
        start: Starts it and returns when it is of use. Raises a TwinError when that cannot be; at the first start, the
            caller gets it.
        tell: Told what happens, in a few words.
        on_return: Told of each service that was started again.
        patience: See `Watch`.
    """

    def __init__(
        self,
        name: str,
        start: Callable[[], S],
        *,
        tell: Callable[[str], None],
        on_return: Callable[[S], None],
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self.name = name
        self._start = start
        self._tell = tell
        self._on_return = on_return
        self._patience = patience
        self._stopping = threading.Event()
        self.service = start()
        self._thread = threading.Thread(target=self._keep, name=f"keep-{name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops the service for good."""
        self._stopping.set()
        self._thread.join()
        self.service.child.stop()

    def _keep(self) -> None:
        backoff = Backoff()
        while not self._stopping.is_set():
            trouble, ran_for = self._watch()
            if trouble is None:
                return
            pause = backoff.failed(ran_for)
            self._tell(f"{self.name} {trouble}; starting it again in {pause:.0f} s")
            self.service.child.stop()
            while not self._stopping.wait(pause) and not self._is_back():
                pause = backoff.failed(ran_for=0.0)

    def _watch(self) -> tuple[str | None, float]:
        """What befell the service, and how long it had run; returns when something did or `stop` is called."""
        watch = Watch(self.service.child, self.service.is_well, patience=self._patience)
        try:
            while (trouble := watch.trouble()) is None and not self._stopping.wait(POLL_SECONDS):
                pass
            return trouble, watch.ran_for
        finally:
            watch.close()

    def _is_back(self) -> bool:
        try:
            self.service = self._start()
        except TwinError as error:
            self._tell(f"{self.name} did not come back: {error.message}")
            return False
        self._on_return(self.service)
        return True
