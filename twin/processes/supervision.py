"""When something that ended is started again."""

from __future__ import annotations

__all__ = ["Backoff"]

PAUSES_SECONDS = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Before the first, second, ... attempt in a row."""
STEADY_SECONDS = 60.0
"""What ran for this long has recovered: its next failure is a first one again."""


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
