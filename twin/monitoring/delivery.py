"""Delivers finished traces to Opik from a thread of its own, through the real SDK.

The SDK's `flush()` says True while its server is down, and parks what it is given without limit. So nothing is handed
to it before the server has answered; until then traces wait here, a bounded number of them, and the rest is dropped,
counted and said. Best effort by design: the interaction itself is kept in MongoDB by the app.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from opik import Opik

    from twin.monitoring.spans import Span
    from twin.settings import OpikSettings

__all__ = ["CAPACITY", "Delivery"]

logger = logging.getLogger(__name__)

CAPACITY = 1_000
"""Finished traces that may wait; a trace of one answer takes tens of kilobytes."""

SDK_ENVIRONMENT = {
    "OPIK_SENTRY_ENABLE": "false",
    "OPIK_ANALYTICS_ENABLE": "false",
    "OPIK_DEFAULT_FLUSH_TIMEOUT": "5",
    "OPIK_IS_ATTACHMENT_EXTRACTION_ACTIVE": "false",
    "OPIK_CONSOLE_LOGGING_LEVEL": "WARNING",
}
"""Read by the SDK when it is imported; what is set already is left as it is."""

PING_TIMEOUT_SECONDS = 2.0
PING_AGAIN_SECONDS = 1.0
TRUST_PING_SECONDS = 5.0
"""For how long an answer to a ping stands for the ones after it."""


class Delivery:
    """A bounded queue of finished traces and the thread that sends them."""

    def __init__(self, settings: OpikSettings, url: str, *, capacity: int = CAPACITY) -> None:
        self._settings = settings
        self._url = url.rstrip("/") + "/"
        self._waiting: queue.Queue[Span] = queue.Queue(capacity)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._client: Opik | None = None
        self._answered = float("-inf")
        self._silent = False
        self.delivered = 0
        """Traces that were handed to the SDK while the server answered."""
        self.dropped = 0
        """Traces that were given up."""

    def submit(self, trace: Span) -> None:
        """Takes a finished trace; never waits and never raises."""
        self.start()
        try:
            self._waiting.put_nowait(trace)
        except queue.Full:
            self._drop("too many traces wait for the server")

    def start(self) -> None:
        """Starts the thread, which loads the SDK first; safe to repeat."""
        if self._thread:
            return
        with self._starting:
            if not self._thread:
                self._thread = threading.Thread(target=self._run, name="trace-delivery", daemon=True)
                self._thread.start()

    def flush(self, timeout: float) -> bool:
        """Waits until all that was submitted is with the server. False when it is not after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        with self._waiting.all_tasks_done:
            done = self._waiting.all_tasks_done.wait_for(
                lambda: not self._waiting.unfinished_tasks, max(0.0, deadline - time.monotonic())
            )
        if not done or self._client is None:
            return done and not self.dropped
        sent = self._client.flush(max(1, round(deadline - time.monotonic())))
        self._answered = float("-inf")  # the SDK says that it sent even when nobody was there, so ask once more
        return sent and self._reachable()

    def _run(self) -> None:
        """Sends traces one after another, for as long as the process lives."""
        client = self._load()
        while True:
            trace = self._waiting.get()
            try:
                self._wait_for_server()
                if client is not None:
                    send(client, trace)
                    self.delivered += 1
                else:
                    self._drop("the Opik SDK could not be loaded")
            except Exception:
                logger.exception("A trace could not be handed to the Opik SDK")
                self.dropped += 1
            finally:
                self._waiting.task_done()

    def _load(self) -> Opik | None:
        """The SDK's client, or None with the reason logged."""
        for name, value in SDK_ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        try:
            from opik import Opik

            key = self._settings.api_key
            self._client = Opik(
                project_name=self._settings.project,
                workspace=self._settings.workspace,
                host=self._url,
                api_key=key.get_secret_value() if key else None,
                _show_misconfiguration_message=False,
            )
        except Exception:
            logger.exception("The Opik SDK could not be loaded, so nothing is traced")
        return self._client

    def _wait_for_server(self) -> None:
        while not self._reachable():
            time.sleep(PING_AGAIN_SECONDS)

    def _reachable(self) -> bool:
        """Whether the server answers, or did a moment ago; a change is logged once."""
        if time.monotonic() - self._answered < TRUST_PING_SECONDS:
            return True
        try:
            httpx.get(f"{self._url}is-alive/ping", timeout=PING_TIMEOUT_SECONDS).raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if not self._silent:
                logger.warning("Opik at %s does not answer (%s); up to %d traces wait.", self._url, error, CAPACITY)
            self._silent = True
            return False
        if self._silent:
            logger.info("Opik at %s answers again; %d traces were dropped so far.", self._url, self.dropped)
        self._silent = False
        self._answered = time.monotonic()
        return True

    def _drop(self, reason: str) -> None:
        self.dropped += 1
        if self.dropped.bit_count() == 1:  # at 1, 2, 4, 8, ...: said early, and never a flood
            logger.warning("Dropped %d trace(s) so far: %s.", self.dropped, reason)


def send(client: Opik, trace: Span) -> None:
    """Gives the SDK a finished trace: the root, then its steps in the order in which they started."""
    client.trace(
        id=trace.id,
        name=trace.name,
        start_time=trace.start_time,
        end_time=trace.end_time,
        input=trace.input,
        output=as_object(trace.output),
        metadata=trace.metadata or None,
        tags=trace.tags or None,
        thread_id=trace.thread_id,
        error_info=trace.error,
        feedback_scores=scores(trace),
    )
    for span in trace.spans:
        client.span(
            id=span.id,
            trace_id=trace.id,
            parent_span_id=span.parent.id if span.parent and span.parent is not trace else None,
            name=span.name,
            type=span.type,
            start_time=span.start_time,
            end_time=span.end_time or trace.end_time,
            input=span.input,
            output=as_object(span.output),
            metadata=span.metadata or None,
            model=span.model,
            usage=span.usage or None,
            error_info=span.error,
            feedback_scores=scores(span),
        )


def as_object(value: Any) -> dict[str, Any] | None:
    """An output as the JSON object that Opik wants."""
    return value if value is None or isinstance(value, dict) else {"output": value}


def scores(span: Span) -> list[Any] | None:
    """A step's scores in the SDK's shape."""
    return [{"id": span.id, "name": name, "value": value} for name, value in span.scores.items()] or None
