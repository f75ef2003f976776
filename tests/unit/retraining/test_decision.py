"""When training starts by itself, and what is said when it does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.retraining import Attempts, Decision, Limits, Material, decide

NOW = datetime(2026, 5, 1, 9, tzinfo=UTC)
LIMITS = Limits(min_samples=8, at_samples=24, after=timedelta(days=30), min_pairs=32)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DUE: dict[str, Any] = {"passages": 8, "since": NOW - 40 * DAY}


def decided(attempts: Attempts | None = None, *, forbidden: str = "", **found: Any) -> Decision:
    values: dict[str, Any] = {"model": "m", "version": "v", **found}
    material = Material(**values)
    return decide(material, attempts or Attempts(), LIMITS, now=NOW, forbidden=forbidden)


def test_an_author_who_writes_nothing_has_a_fresh_model_for_ever() -> None:
    assert decided(passages=0).reason == "Fresh: the model has seen everything that it would be trained on."


def test_the_first_model_is_made_by_hand() -> None:
    decision = decided(model=None, passages=99)
    assert (decision.launch, "llm-twin materialize train" in decision.reason) == (False, True)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (DUE, "There are 8 new passages, and the first of them came 40 days ago (RETRAIN_AFTER_DAYS is 30)."),
        ({"passages": 24, "since": NOW}, "There are 24 new passages (RETRAIN_AT_SAMPLES is 24)."),
        ({"pairs": 32, "since": NOW}, "Readers gave 32 new pairs of answers (FEEDBACK_MIN_PAIRS is 32)."),
    ],
)
def test_what_is_due_is_launched_and_says_why(found: dict[str, Any], reason: str) -> None:
    assert decided(**found) == Decision(launch=True, reason=reason, run_key="v/m/0")


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (
            {"passages": 3, "since": NOW - 40 * DAY},
            "Not due: the model has not seen 3 passages; 5 more are needed (RETRAIN_MIN_SAMPLES is 8).",
        ),
        (
            {"passages": 8, "since": NOW - 28 * DAY},
            "Not due: the model has not seen 8 passages; it may wait for 2 days more, or until 16 more come.",
        ),
        (
            {"passages": 0, "pairs": 5, "since": NOW - 90 * DAY},
            "Not due: the model has not seen 0 passages; 8 more are needed (RETRAIN_MIN_SAMPLES is 8); readers gave 5 "
            "of 32 pairs (FEEDBACK_MIN_PAIRS).",
        ),
    ],
)
def test_what_is_not_due_says_what_is_missing(found: dict[str, Any], reason: str) -> None:
    assert decided(**found) == Decision(launch=False, reason=reason)


def test_nothing_is_launched_while_a_run_trains() -> None:
    decision = decided(Attempts(running="r1"), **DUE)
    assert (decision.launch, decision.reason.endswith("run r1 is training or is about to.")) == (False, True)


@pytest.mark.parametrize(("failures", "pause"), [(1, HOUR), (2, 2 * HOUR), (3, 4 * HOUR), (9, DAY), (10_000, DAY)])
def test_after_a_failure_it_waits_and_longer_after_each_further_one(failures: int, pause: timedelta) -> None:
    def after(time: timedelta) -> Decision:
        return decided(Attempts(failures=failures, ended_at=NOW - time), **DUE)

    waiting = after(pause - timedelta(minutes=10))
    assert (waiting.launch, "10 minutes" in waiting.reason) == (False, True)
    assert (after(pause).launch, after(pause).run_key) == (True, f"v/m/{failures}")


def test_a_clock_that_jumped_back_neither_hurries_nor_stops_it() -> None:
    assert not decided(passages=8, since=NOW + 90 * DAY).launch
    attempts = Attempts(failures=1, ended_at=NOW + 90 * DAY)
    assert "in 1 hour." in decided(attempts, **DUE).reason


def test_no_money_is_spent_without_leave() -> None:
    decision = decided(forbidden="BUDGET_MONTHLY_USD is not set.", **DUE)
    assert (decision.launch, decision.reason.endswith("BUDGET_MONTHLY_USD is not set.")) == (False, True)


@given(
    passages=st.integers(0, 60),
    pairs=st.integers(0, 60),
    age=st.timedeltas(-90 * DAY, 900 * DAY),
    failures=st.integers(0, 12),
    ended=st.timedeltas(-DAY, 3 * DAY),
    running=st.sampled_from(["", "r"]),
)
def test_it_launches_only_what_is_due_and_every_no_has_words(
    passages: int, pairs: int, age: timedelta, failures: int, ended: timedelta, running: str
) -> None:
    attempts = Attempts(running=running, failures=failures, ended_at=NOW - ended)
    decision = decided(attempts, passages=passages, pairs=pairs, since=NOW - age)
    is_due = passages >= 24 or pairs >= 32 or (passages >= 8 and age >= 30 * DAY)
    may = not running and (not failures or ended >= min(HOUR * 2 ** (failures - 1), DAY))
    assert decision.launch == (is_due and may)
    assert decision.reason.endswith(".")
    assert bool(decision.run_key) == decision.launch
