"""Pauses between attempts grow, and start over after a steady time."""

from __future__ import annotations

from twin.processes import Backoff


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
