"""Services are started again when they end or hang, with pauses that grow, and start over after a steady time."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from twin.errors import PlatformError
from twin.processes import Backoff, Child, Keeper, Watch, alive, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_pause_grows_with_failures_in_a_row_up_to_half_a_minute() -> None:
    backoff = Backoff()
    pauses = [backoff.failed(ran_for=1.0) for _ in range(8)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.0, 30.0)
    assert backoff.failures == 8


def test_what_was_steady_fails_for_a_first_time_again() -> None:
    backoff = Backoff()
    for _ in range(8):
        backoff.failed(ran_for=1.0)
    assert backoff.failed(ran_for=3_600.0) == 0.0
    assert backoff.failed(ran_for=1.0) == 1.0


HANGING = "import time; print('up', flush=True); time.sleep(600)"


def running() -> Child:
    return Child("service", [sys.executable, "-c", HANGING], grace=1.0)


def test_a_service_that_ended_is_in_trouble() -> None:
    with Child("brief", [sys.executable, "-c", "raise SystemExit(3)"]) as child:
        watch = Watch(child, lambda: True)
        child.wait(timeout=30)
        assert watch.trouble() == "ended with exit code 3"
        watch.close()


def test_a_service_that_does_not_answer_hangs_only_after_some_questions() -> None:
    questions: list[None] = []

    def silent() -> bool:
        questions.append(None)
        raise TimeoutError

    with running() as child:
        watch = Watch(child, silent, patience=0.0)
        wait_until(lambda: watch.trouble() is not None, what="the trouble", timeout=30)
        assert "has not answered for" in (watch.trouble() or "")
        watch.close()
    assert len(questions) >= 4
    assert not watch.has_answered


def test_a_service_that_answers_is_well_whatever_the_patience() -> None:
    with running() as child:
        watch = Watch(child, lambda: True, patience=30.0)
        wait_until(lambda: watch.has_answered, what="the answer", timeout=30)
        assert watch.trouble() is None
        watch.close()


class Service(NamedTuple):
    child: Child
    is_well: Callable[[], bool]


class Kept:
    """A service whose starts can be made to fail, and what its keeper said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.started: list[Service] = []
        self.failures = 0
        self.is_well = True

    def start(self) -> Service:
        if self.failures:
            self.failures -= 1
            raise PlatformError("no room")
        self.started.append(Service(running(), lambda: self.is_well))
        return self.started[-1]

    def keep(self, patience: float = 60.0) -> Keeper[Service]:
        returned: Callable[[Service], None] = lambda _: self.said.append("back")  # noqa: E731
        return Keeper("service", self.start, tell=self.said.append, on_return=returned, patience=patience)


def test_a_killed_service_is_started_again_after_failures_too() -> None:
    kept = Kept()
    keeper = kept.keep()
    kept.failures = 1
    keeper.service.child.kill()
    wait_until(lambda: "back" in kept.said, what="the return", timeout=60)
    keeper.stop()
    assert [line.partition(";")[0] for line in kept.said[:2]] == [
        "service ended with exit code 143",
        "service did not come back: no room",
    ]
    assert not any(alive(service.child.pid) for service in kept.started)


def test_a_hanging_service_is_stopped_and_started_again() -> None:
    kept = Kept()
    kept.is_well = False
    keeper = kept.keep(patience=0.5)
    wait_until(lambda: len(kept.started) > 1, what="the next service", timeout=60)
    kept.is_well = True
    assert not alive(kept.started[0].child.pid)
    keeper.stop()
    assert "has not answered" in kept.said[0]
    assert not any(alive(service.child.pid) for service in kept.started)


def test_a_first_start_that_fails_is_the_callers() -> None:
    kept = Kept()
    kept.failures = 1
    with pytest.raises(PlatformError, match="no room"):
        kept.keep()
