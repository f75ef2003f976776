"""When a host may be asked, with a clock that a test moves."""

from __future__ import annotations

import asyncio
import itertools
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.collection.web import pacing
from twin.collection.web.pacing import Budget, Host, Timing
from twin.errors import SourceFailed
from twin.settings import SourceSettings, read


class Clock:
    """Time that passes when somebody sleeps or works."""

    def __init__(self) -> None:
        self.time = 1_000.0
        self.timing = Timing(monotonic=lambda: self.time, sleep=self.sleep)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)  # lets the others run, as sleeping does
        self.time += seconds


def host(clock: Clock, **settings: float) -> Host:
    return Host("a.example", read(SourceSettings).model_copy(update=settings), clock.timing)


def asked_at(one: Host, clock: Clock, seconds: list[float]) -> list[float]:
    """When requests that take so long began, one after another, from 0."""

    async def ask() -> list[float]:
        began = []
        for duration in seconds:
            async with one.turn():
                began.append(clock.time - 1_000)
                clock.time += duration
                one.pause_after(clock.time - duration, clock.time)
        return began

    return asyncio.run(ask())


def test_a_fast_server_is_asked_fifty_times_in_two_and_a_half_seconds() -> None:
    clock = Clock()
    began = asked_at(host(clock), clock, [0.003] * 51)
    assert began[50] == pytest.approx(2.5)


def test_a_slow_server_is_asked_less_often_up_to_a_limit() -> None:
    clock = Clock()
    assert asked_at(host(clock), clock, [0.2] * 3) == pytest.approx([0, 1.2, 2.4])
    clock = Clock()
    assert asked_at(host(clock), clock, [30.0, 0.0]) == pytest.approx([0, 35])


def test_one_late_answer_among_fast_ones_costs_its_own_time_once() -> None:
    clock = Clock()
    began = asked_at(host(clock), clock, [0.01, 0.01, 0.01, 0.5, 0.01, 0.01])
    assert began == pytest.approx([0, 0.06, 0.12, 0.18, 0.18 + 0.5 + 0.5, 1.18 + 0.06])


def test_a_server_that_became_slow_is_noticed_with_its_second_slow_answer() -> None:
    clock = Clock()
    began = asked_at(host(clock), clock, [0.01, 0.01, 0.5, 0.5, 0.5])
    assert began[-2:] == pytest.approx([0.12 + 0.5 + 0.5, 1.12 + 0.5 + 2.5])


def test_a_pause_is_kept_by_everyone_who_waits() -> None:
    clock = Clock()
    one = host(clock)
    one.pause(10)
    one.pause(3)
    assert asked_at(one, clock, [0.0]) == pytest.approx([10])


def test_turns_come_in_the_order_in_which_they_were_asked_for() -> None:
    clock = Clock()
    one = host(clock)
    order: list[int] = []

    async def ask(number: int) -> None:
        async with one.turn():
            order.append(number)
            await clock.sleep(0.01)
            one.pause_after(clock.time - 0.01, clock.time)

    async def all_of_them() -> None:
        await asyncio.gather(*(ask(number) for number in range(20)))

    asyncio.run(all_of_them())
    assert order == list(range(20))


def test_who_waits_for_a_host_that_is_left_meanwhile_is_told() -> None:
    clock = Clock()
    one = host(clock)

    async def ask() -> None:
        async with one.turn():
            waiting = asyncio.ensure_future(enter())
            await asyncio.sleep(0)
            one.leave("it broke")
        await waiting

    async def enter() -> None:
        async with one.turn():
            pytest.fail("the host was left")

    with pytest.raises(SourceFailed, match="it broke; its other pages are left for the next run"):
        asyncio.run(ask())


def test_failures_count_in_a_row() -> None:
    one = host(Clock())
    for _ in range(3):
        for _ in range(pacing.MAX_FAILURES - 1):
            one.failed("no reason")
        one.check()
        one.answered()
    for _ in range(pacing.MAX_FAILURES):
        one.failed("it is down")
    with pytest.raises(SourceFailed, match=r"a\.example failed 5 times in a row, the last time because it is down"):
        one.check()


@given(st.integers(0, 60), st.floats(0, 1))
def test_backing_off_has_full_jitter_and_a_cap(attempt: int, chance: float) -> None:
    longest = pacing.backoff(attempt, 1.0)
    assert 0 <= pacing.backoff(attempt, chance) <= longest <= pacing.BACKOFF_CAP_SECONDS
    assert pacing.backoff(attempt, 0.0) == 0
    assert longest == min(pacing.BACKOFF_CAP_SECONDS, 2**attempt)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        (" 120 ", 120),
        ("31536000", 31_536_000),
        ("9" * 5_000, float("inf")),
        (formatdate(1_700_000_090, usegmt=True), 90),
        (formatdate(1_600_000_000, usegmt=True), 0),
        ("-5", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("Fri, 99 Foo 2099 99:99:99 GMT", None),
        ("²", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert pacing.retry_after(value, 1_700_000_000) == seconds


@given(st.text(max_size=60))
def test_any_retry_after_is_seconds_or_nothing(value: str) -> None:
    found = pacing.retry_after(value, 0.0)
    assert found is None or found >= 0


def test_a_budget_says_what_is_used_up() -> None:
    clock = Clock()
    settings = read(SourceSettings).model_copy(update={"run_requests": 3, "run_bytes": 100, "run_seconds": 60.0})
    requests, received, seconds = (Budget(settings, clock.timing) for _ in range(3))
    for _ in range(3):
        requests.take_request()
    received.take_bytes(100)
    for budget, reason in ((requests, "3 requests"), (received, "100 bytes")):
        with pytest.raises(SourceFailed, match=f"the run's budget of {reason} is used up; the next run goes on"):
            budget.take_request()
    clock.time += 60
    with pytest.raises(SourceFailed, match="60 s"):
        seconds.check()


def test_the_delays_of_many_requests_never_fall_below_the_rate() -> None:
    clock = Clock()
    began = asked_at(host(clock, host_delay_min_seconds=0.5, host_delay_factor=0.0), clock, [0.1] * 10)
    assert all(later - earlier >= 0.5 - 1e-9 for earlier, later in itertools.pairwise(began))
