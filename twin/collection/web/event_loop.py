"""An event loop in a thread of its own, for callers that are not asynchronous and come from many threads."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from twin.errors import SourceFailed

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["BackgroundLoop"]

RESOLVER_THREADS = 16
"""The standard library asks for addresses in threads; a slow name server must not hold up the other names."""
CLOSE_SECONDS = 10.0
STOPPED = "the run was stopped before it was read"

T = TypeVar("T")


class BackgroundLoop:
    """Runs coroutines for any number of threads. It ends with `close`, or with the process."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._resolvers = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix=f"{name}-resolve")
        self._loop.set_default_executor(self._resolvers)
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()
        self._closing = threading.Lock()
        self._closed = False

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` returns; waits for it.

        Raises:
            SourceFailed: The loop was closed before it was done.
        """
        if self._closed:
            work.close()
            raise SourceFailed(STOPPED)
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except CancelledError:
            raise SourceFailed(STOPPED) from None
        except BaseException:  # Ctrl-C in this thread, not in the loop's
            future.cancel()
            raise

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Stops what runs, runs `last`, and ends the thread."""
        with self._closing:
            if self._closed:
                last.close()
                return
            self._closed = True
        ended = asyncio.run_coroutine_threadsafe(_stop_all(last), self._loop)
        try:
            ended.result(CLOSE_SECONDS)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(CLOSE_SECONDS)
            self._resolvers.shutdown(wait=False, cancel_futures=True)
            if not self._thread.is_alive():
                self._loop.close()


async def _stop_all(last: Coroutine[Any, Any, None]) -> None:
    running = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await last
