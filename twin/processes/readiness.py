"""Waiting until something is of use."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx

from twin import http_clients
from twin.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Callable

    from twin.processes.children import Child

__all__ = ["answers", "wait_until"]

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
                f"{what} ended with exit code {code} before it was ready.\n{child.last_lines()}\n{advice}"
            )
        if is_ready:
            return
        if time.monotonic() > deadline:
            tail = f"\n{child.last_lines()}" if child else ""
            raise PlatformError(f"{what} was not ready after {timeout:.0f} s.{tail}\n{advice}")
        time.sleep(POLL_SECONDS)


def answers(url: str, timeout: float = 1.0) -> bool:
    """Whether a GET of `url` gives a 2xx status."""
    try:
        return http_clients.request("GET", url, timeout=timeout).is_success
    except httpx.HTTPError:
        return False
