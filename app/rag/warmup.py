"""Loading, in the background, what the first question would otherwise wait for."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from twin.errors import ServiceUnavailable, TwinError

__all__ = ["Warmup"]

log = logging.getLogger(__name__)


class Warmup:
    """Runs `load` once in a thread, from `start` on."""

    def __init__(self, load: Callable[[], None]) -> None:
        self._load = load
        self._task: asyncio.Task[None] | None = None
        self._problem = "Still loading the embedding model. Try again in a few seconds."
        self._done = False

    def start(self) -> None:
        """Begins; returns at once."""
        self._task = asyncio.create_task(self._run(), name="warm-up")

    @property
    def is_over(self) -> bool:
        """Whether it came to an end, good or bad."""
        return self._task is not None and self._task.done()

    async def check(self) -> None:
        """Returns when everything is loaded.

        Raises:
            ServiceUnavailable: It still loads, or could not be loaded.
        """
        if not self._done:
            raise ServiceUnavailable(self._problem)

    async def stop(self) -> None:
        """Waits no longer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        started = time.perf_counter()
        try:
            await asyncio.to_thread(self._load)
        except TwinError as error:
            self._problem = f"Warming up failed: {error}"
            log.warning("warm-up failed: %s (%s)", error, error.detail)
        except Exception:
            self._problem = "Warming up failed; the log has the details."
            log.exception("warm-up failed")
        else:
            self._done = True
            log.info("warm after %.1f s", time.perf_counter() - started)
