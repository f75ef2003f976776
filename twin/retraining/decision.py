"""Whether to train again now. Pure: everything that counts is handed in, and every no says in words what is missing.

A model is stale when something to learn from exists that it has not seen for longer than the policy allows. An author
who writes nothing has a fresh model for ever.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from twin.retraining.material import Material

__all__ = ["FIRST_PAUSE", "LONGEST_PAUSE", "Attempts", "Decision", "Limits", "decide"]

FIRST_PAUSE, LONGEST_PAUSE = timedelta(hours=1), timedelta(days=1)
"""After a failed training; each further one in a row doubles the pause."""


class Attempts(msgspec.Struct, frozen=True, kw_only=True):
    """How training went lately."""

    running: str = ""
    """The run that trains or is about to; none: empty."""
    failures: int = 0
    """Failed or canceled attempts in a row, up to now."""
    ended_at: datetime | None = None
    """When the last of them ended."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the settings say."""

    min_samples: int
    """With fewer passages that the model has not seen, nothing is trained."""
    at_samples: int
    """With so many, training does not wait for the policy."""
    after: timedelta
    """How long the first of them may stay unseen."""
    min_pairs: int
    """With so many readers' pairs that the model has not seen, training does not wait either."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What to do, and why."""

    launch: bool
    reason: str
    run_key: str = ""
    """The same for the same data, model and attempt: Dagster launches one run a key."""


def decide(material: Material, attempts: Attempts, limits: Limits, *, now: datetime, forbidden: str = "") -> Decision:
    """Whether to train now.

    Args:
        material: What there is to learn that the current model has not seen.
        attempts: How training went lately.
        limits: What the settings say.
        now: The time.
        forbidden: Why nothing may be started by itself, for instance a budget; empty when it may.
    """
    if material.model is None:
        return _no("There is no model yet; the first one is made by hand: `llm-twin materialize train`.")
    why, missing = _due(material, limits, now)
    if not why:
        return _no(missing)
    if attempts.running:
        return _no(f"Due, since {why}; run {attempts.running} is training or is about to.")
    if pause := _pause_left(attempts, now):
        tried = "attempt" if attempts.failures == 1 else f"{attempts.failures} attempts in a row"
        return _no(f"Due, since {why}; the last {tried} did not succeed, so it is tried again in {_span(pause)}.")
    if forbidden:
        return _no(f"Due, since {why}; {forbidden}")
    key = f"{material.version}/{material.model}/{attempts.failures}"
    return Decision(launch=True, reason=why[0].upper() + why[1:] + ".", run_key=key)


def _due(material: Material, limits: Limits, now: datetime) -> tuple[str, str]:
    """Why training is due, or else what is missing for that."""
    new = f"{material.passages} new passages"
    if material.pairs >= limits.min_pairs:
        return f"readers gave {material.pairs} new pairs of answers (FEEDBACK_MIN_PAIRS is {limits.min_pairs})", ""
    if material.passages >= max(limits.at_samples, 1):
        return f"there are {new} (RETRAIN_AT_SAMPLES is {limits.at_samples})", ""
    if not material.passages and not material.pairs:
        return "", "Fresh: the model has seen everything that it would be trained on."
    unseen_for = max(now - material.since, timedelta()) if material.since else timedelta()
    aged = f"the first of them came {_span(unseen_for)} ago"
    if material.passages >= max(limits.min_samples, 1) and unseen_for >= limits.after:
        return f"there are {new}, and {aged} (RETRAIN_AFTER_DAYS is {limits.after / timedelta(days=1):g})", ""
    return "", _missing(material, limits, unseen_for)


def _missing(material: Material, limits: Limits, unseen_for: timedelta) -> str:
    least = max(limits.min_samples, 1)
    parts = [f"Not due: the model has not seen {material.passages} passages"]
    if material.passages < least:
        parts.append(f"{least - material.passages} more are needed (RETRAIN_MIN_SAMPLES is {limits.min_samples})")
    elif unseen_for < limits.after:
        at_once = limits.at_samples - material.passages
        parts.append(f"it may wait for {_span(limits.after - unseen_for)} more, or until {at_once} more come")
    if material.pairs:
        parts.append(f"readers gave {material.pairs} of {limits.min_pairs} pairs (FEEDBACK_MIN_PAIRS)")
    return "; ".join(parts) + "."


def _pause_left(attempts: Attempts, now: datetime) -> timedelta:
    """What is left of the pause after failures. An end in the future was noted by a clock that was wrong, and counts
    as now."""
    if not attempts.failures or attempts.ended_at is None:
        return timedelta()
    pause = min(FIRST_PAUSE * 2 ** min(attempts.failures - 1, 10), LONGEST_PAUSE)
    return max(pause - max(now - attempts.ended_at, timedelta()), timedelta())


def _span(time: timedelta) -> str:
    """A span of time in its largest unit."""
    for unit, name in ((timedelta(days=1), "days"), (timedelta(hours=1), "hours"), (timedelta(minutes=1), "minutes")):
        if time >= unit:
            return f"{time / unit:.0f} {name if round(time / unit) != 1 else name[:-1]}"
    return "less than a minute"


def _no(reason: str) -> Decision:
    return Decision(launch=False, reason=reason)
