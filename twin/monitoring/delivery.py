"""Delivers finished traces, and scores that come later, to Opik from a thread of its own, through the real SDK.

The SDK's queue says that all was flushed while its server is down, parks what it is given without limit, and loses it
with the process (measured). So traces wait here, a bounded number of them, and go out with the calls that the SDK's
queue would make itself, each of which ends in success or in an error. Writes are upserts by id, so one that may have
arrived is simply made again. What cannot wait is dropped, counted and said. Best effort by design: the interaction
itself is kept in MongoDB by the app.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx

from twin import http_clients
from twin.monitoring.spans import Span, TraceScore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opik import Opik

    from twin.settings import OpikSettings

__all__ = ["CAPACITY", "Delivery"]

logger = logging.getLogger(__name__)

CAPACITY = 1_000
"""Finished traces that may wait; a trace of one answer takes tens of kilobytes."""

SDK_ENVIRONMENT = {
    "OPIK_DEFAULT_FLUSH_TIMEOUT": "5",
    "OPIK_IS_ATTACHMENT_EXTRACTION_ACTIVE": "false",
    "OPIK_CONSOLE_LOGGING_LEVEL": "WARNING",
}
"""Read by the SDK when it is imported; what is set already is left as it is."""

BATCH = 20
"""Traces sent together when several wait."""

GATHER_SECONDS = 0.5
"""How long a trace waits for others: sending takes the processor from the answer that is made next, so in a burst of
answers it is done seldom."""

MAX_ATTEMPTS = 5
"""Tries of one batch at a server that answers; waiting for one that does not is no try."""

PING_TIMEOUT_SECONDS = 2.0
RETRY_SECONDS = 1.0


class Delivery:
    """A bounded queue of finished traces and the thread that sends them.

    `address` gives the URL of Opik's API as it is now, or None while there is none. It is asked before every delivery,
    so the server may come up later, and come back elsewhere.
    """

    def __init__(self, settings: OpikSettings, address: Callable[[], str | None], *, capacity: int = CAPACITY) -> None:
        self._settings = settings
        self._address = address
        self._client: tuple[str, Opik] | None = None
        """The SDK's client of the server that answered last, and that server's URL."""
        self._waiting: queue.Queue[Span | TraceScore] = queue.Queue(capacity)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._flushing = threading.Event()
        self._silent = False
        self.delivered = 0
        """Traces that the server has taken."""
        self.dropped = 0
        """Traces that were given up."""

    def submit(self, item: Span | TraceScore) -> None:
        """Takes a finished trace, or a score for one; never waits and never raises."""
        self.start()
        try:
            self._waiting.put_nowait(item)
        except queue.Full:
            self._drop(1, "too many wait for the server")

    def start(self) -> None:
        """Starts the thread, which loads the SDK first; safe to repeat."""
        if self._thread:
            return
        with self._starting:
            if not self._thread:
                self._thread = threading.Thread(target=self._run, name="trace-delivery", daemon=True)
                self._thread.start()

    def flush(self, timeout: float) -> bool:
        """Waits until no trace waits any more. False when some still do after `timeout` seconds."""
        self._flushing.set()
        try:
            with self._waiting.all_tasks_done:
                return self._waiting.all_tasks_done.wait_for(lambda: not self._waiting.unfinished_tasks, timeout)
        finally:
            self._flushing.clear()

    def _run(self) -> None:
        """Sends traces in the order in which they ended, for as long as the process lives."""
        loaded = load_sdk()
        while True:
            traces = self._next()
            if loaded:
                self._deliver(traces)
            else:
                self._drop(len(traces), "the Opik SDK could not be loaded")
            for _ in traces:
                self._waiting.task_done()

    def _next(self) -> list[Span | TraceScore]:
        """The trace that waits longest, and those behind it; waits for one, and a moment for more."""
        traces = [self._waiting.get()]
        if self._waiting.qsize() < BATCH:
            self._flushing.wait(GATHER_SECONDS)
        with contextlib.suppress(queue.Empty):
            while len(traces) < BATCH:
                traces.append(self._waiting.get_nowait())
        return traces

    def _deliver(self, traces: list[Span | TraceScore]) -> None:
        """Sends until the server has taken the traces; one that it does not take does not hold up the others."""
        problem = "never sent"
        for _ in range(MAX_ATTEMPTS):
            try:
                send(self._client_of(self._answering()), self._settings.project, traces)
            except Exception as error:  # noqa: BLE001 - sorted here; this thread must outlive whatever it is given
                problem = f"{type(error).__name__}: {getattr(error, 'body', None) or error}"
                if not is_passing(error):
                    break
                time.sleep(RETRY_SECONDS)
            else:
                self.delivered += len(traces)
                return
        if len(traces) == 1:
            self._drop(1, problem)
            return
        for trace in traces:
            self._deliver([trace])

    def _answering(self) -> str:
        """The URL of the server, once it answers. The silence is logged when it begins and when it ends."""
        while problem := silence(url := self._address() or ""):
            if not self._silent:
                logger.warning("%s; up to %d traces wait.", problem, CAPACITY)
            self._silent = True
            time.sleep(RETRY_SECONDS)
        if self._silent:
            logger.warning("Opik at %s answers; %d traces were dropped so far.", url, self.dropped)
        self._silent = False
        return url

    def _client_of(self, url: str) -> Opik:
        """The SDK's client of the server at `url`."""
        if self._client is None or self._client[0] != url:
            from opik import Opik

            http_clients.spare_proxy(url)
            if self._client is not None:
                self._client[1].end(flush=False)
            key = self._settings.api_key
            client = Opik(
                project_name=self._settings.project,
                workspace=self._settings.workspace,
                host=url.rstrip("/") + "/",
                api_key=key.get_secret_value() if key else None,
                _show_misconfiguration_message=False,
            )
            self._client = url, client
        return self._client[1]

    def _drop(self, count: int, reason: str) -> None:
        before, self.dropped = self.dropped, self.dropped + count
        if before.bit_length() != self.dropped.bit_length():  # on reaching 1, 2, 4, 8, ...: said early, never a flood
            logger.warning("Dropped %d trace(s) so far: %s.", self.dropped, reason)


def load_sdk() -> bool:
    """Imports the SDK (2 to 4 s). False, with the reason logged, when that fails."""
    for name, value in SDK_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import opik  # noqa: F401 - imported for later
    except Exception:
        logger.exception("The Opik SDK could not be loaded, so nothing is traced")
        return False
    return True


def silence(url: str) -> str:
    """Why no server can be reached at `url`; empty when one answers."""
    if not url:
        return "No Opik server is known: start the stack or set OPIK_URL_OVERRIDE"
    try:
        ping = f"{url.rstrip('/')}/is-alive/ping"
        http_clients.request("GET", ping, timeout=PING_TIMEOUT_SECONDS).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"Opik at {url} does not answer ({error})"
    return ""


def is_passing(error: Exception) -> bool:
    """Whether sending again may help: the network failed, or the server is overloaded or broken."""
    status = getattr(error, "status_code", None)
    return isinstance(error, httpx.HTTPError) or status == httpx.codes.TOO_MANY_REQUESTS or (status or 0) >= 500


def send(client: Opik, project: str, items: Sequence[Span | TraceScore]) -> None:
    """Writes traces with all their steps and scores, and scores of other traces; returns when the server has them."""
    from opik.rest_api.types.feedback_score_batch_item import FeedbackScoreBatchItem as Score
    from opik.rest_api.types.span_write import SpanWrite
    from opik.rest_api.types.trace_write import TraceWrite

    api = client.rest_client
    traces = [item for item in items if isinstance(item, Span)]
    spans = [span for trace in traces for span in trace.spans]
    if traces:
        api.traces.create_traces(traces=[TraceWrite(project_name=project, **trace_fields(trace)) for trace in traces])
    if spans:
        api.spans.create_spans(spans=[SpanWrite(project_name=project, **span_fields(span)) for span in spans])
    for resource, scored in ((api.traces.score_batch_of_traces, items), (api.spans.score_batch_of_spans, spans)):
        scores = [Score(project_name=project, source="sdk", **score) for item in scored for score in score_fields(item)]
        if scores:
            resource(scores=scores)


def common_fields(span: Span) -> dict[str, Any]:
    """What a trace and a step have in common, in Opik's names, without what is not known."""
    fields = {
        "id": span.id,
        "name": span.name,
        "start_time": span.start_time,
        "end_time": span.end_time or span.root.end_time,
        "input": span.input,
        "output": as_object(span.output),
        "metadata": span.metadata,
        "error_info": span.error,
        "source": "sdk",
    }
    return {name: value for name, value in fields.items() if value}


def trace_fields(trace: Span) -> dict[str, Any]:
    """A root as Opik's trace."""
    extra = {"tags": trace.tags, "thread_id": trace.thread_id}
    return common_fields(trace) | {name: value for name, value in extra.items() if value}


def span_fields(span: Span) -> dict[str, Any]:
    """A step as Opik's span; one right under the root has no parent there."""
    parent = span.parent.id if span.parent and span.parent is not span.root else None
    extra = {"parent_span_id": parent, "type": span.type, "model": span.model, "usage": span.usage}
    return {**common_fields(span), "trace_id": span.root.id} | {name: value for name, value in extra.items() if value}


def score_fields(item: Span | TraceScore) -> list[dict[str, Any]]:
    """A step's scores, or the one that came later."""
    if isinstance(item, TraceScore):
        reason = {"reason": item.reason} if item.reason else {}
        return [{"id": item.trace_id, "name": item.name, "value": item.value, **reason}]
    return [{"id": item.id, "name": name, "value": value} for name, value in item.scores.items()]


def as_object(value: Any) -> dict[str, Any] | None:
    """An output as the JSON object that Opik wants."""
    return value if value is None or isinstance(value, dict) else {"output": value}
