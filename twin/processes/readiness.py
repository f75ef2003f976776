"""Waiting until something is of use."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from twin.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Callable

    from twin.processes.children import Child

__all__ = ["wait_until"]

POLL_SECONDS = 0.05


def wait_until(
    ready: Callable[[], bool], *, what: str, timeout: float, child: Child | None = None, advice: str = ""
) -> None:
    """Polls `ready` until it is true.

    Raises:
        PlatformError: `child` ended, or `timeout` seconds went by; carries the child's last lines.
    """
    deadline = time.monotonic() + timeout
    while True:
        is_ready = ready()
        if child is not None and (code := child.poll()) is not None:  # whoever answered in its place is not it
            child.wait(1)
            raise PlatformError(
                f"{what} ended with exit code {code} before it was ready.\n{child.last_lines()}\n{advice}".rstrip()
            )
        if is_ready:
            return
        if time.monotonic() > deadline:
            tail = f"\n{child.last_lines()}" if child else ""
            raise PlatformError(f"{what} was not ready after {timeout:.0f} s.{tail}\n{advice}".rstrip())
        time.sleep(POLL_SECONDS)
