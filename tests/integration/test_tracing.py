"""The tracer, through the real opik SDK, to the real console over loopback, into a real MongoDB."""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn

from app.console.server import create_app
from app.console.store.opik import MAX_CHARACTERS
from app.http.bodies import Unpacked
from llm_twin_dagster.stack import only_supervisor
from twin.deployment import Deployment
from twin.deployment.addresses import OPIK_PATH
from twin.home import Home, RunState, ServiceState
from twin.monitoring import delivery
from twin.monitoring.tracing import Tracer
from twin.processes import answers, free_port, wait_until
from twin.settings import OpikSettings, read

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path


class Console:
    """A console that can be stopped and started again on the same port."""

    def __init__(self, mongo_uri: str, database: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._make: Callable[[], Any] = lambda: Unpacked(create_app(lambda: mongo_uri, database))

    def start(self) -> None:
        config = uvicorn.Config(self._make(), port=self.port, log_level="warning", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        wait_until(lambda: answers(f"{self.url}/health/ready"), what="the console", timeout=20)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)


@pytest.fixture
def console(mongo_uri: str, mongo_database: str) -> Iterator[Console]:
    running = Console(mongo_uri, mongo_database)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def tracer(console: Console) -> Tracer:
    settings = read(OpikSettings).model_copy(update={"enabled": True, "project": "tests", "api_key": None})
    return Tracer(settings, lambda: console.url + OPIK_PATH)


def fetched(console: Console, trace_id: str) -> dict[str, Any]:
    return httpx.get(f"{console.url}/api/traces/{trace_id}").raise_for_status().json()


def answered(tracer: Tracer, question: str) -> str:
    """Traces one answer as the RAG app does, and gives its id."""
    with tracer.trace("rag", input={"question": question}, tags=["test"], thread_id="thread-1") as trace:
        with tracer.span("retrieval", input={"k": 4}) as retrieval, tracer.span("embedding"):
            retrieval.update(output={"passages": ["a", "b"]})
        with tracer.span("generation", type="llm", model="llm-twin:1.0.0") as generation:
            generation.update(
                output={"answer": "y" * 5_000},
                usage={"prompt_tokens": 120, "completion_tokens": 40},
                metadata={"time_to_first_token": 210.5},
            )
            generation.score("time_to_first_token", 210.5)
        trace.update(output={"answer": "because"}, metadata={"model_version": "1.0.0"})
    return trace.id


def test_a_trace_arrives_whole(console: Console, tracer: Tracer) -> None:
    trace_id = answered(tracer, "why?")

    assert tracer.flush(20)
    found = fetched(console, trace_id)
    assert found["trace"]["input"] == {"question": "why?"}
    assert found["trace"]["output"] == {"answer": "because"}
    assert found["trace"]["tags"] == ["test"]
    assert found["trace"]["thread_id"] == "thread-1"
    assert found["trace"]["project_name"] == "tests"
    spans = {span["name"]: span for span in found["spans"]}
    assert list(spans) == ["retrieval", "embedding", "generation"]
    assert spans["embedding"]["parent_span_id"] == spans["retrieval"]["id"]
    assert spans["retrieval"]["parent_span_id"] is None
    generation = spans["generation"]
    assert (generation["type"], generation["model"]) == ("llm", "llm-twin:1.0.0")
    assert generation["output"] == {"answer": "y" * 5_000}
    assert generation["usage"]["total_tokens"] == 160
    assert [(score["name"], score["value"]) for score in generation["feedback_scores"]] == [
        ("time_to_first_token", 210.5)
    ]
    assert found["summary"]["status"] == "ok"
    assert found["summary"]["tokens"] == 160
    assert found["summary"]["time_to_first_token_ms"] == 210.5
    assert found["summary"]["model_version"] == "1.0.0"


def test_what_a_block_raises_is_recorded_and_raised_on(console: Console, tracer: Tracer) -> None:
    with pytest.raises(ZeroDivisionError), tracer.trace("rag", input={}) as trace, tracer.span("generation"):
        _ = 1 / 0

    assert tracer.flush(20)
    found = fetched(console, trace.id)
    assert found["summary"]["status"] == "error"
    assert found["spans"][0]["error_info"]["exception_type"] == "ZeroDivisionError"
    assert "1 / 0" in found["spans"][0]["error_info"]["traceback"]


def test_a_cancelled_answer_leaves_a_closed_trace_and_no_open_span(console: Console, tracer: Tracer) -> None:
    ids: list[str] = []

    async def answer() -> None:
        with tracer.trace("rag", input={}) as trace, tracer.span("generation"):
            ids.append(trace.id)
            trace.update(metadata={"finish_reason": "cancelled"})
            await asyncio.sleep(60)

    async def ask_and_leave() -> str:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await answer()
        with tracer.trace("next", input={}) as following, tracer.span("step") as step:
            assert step.parent is following
        return following.id

    ids.append(asyncio.run(ask_and_leave()))

    assert tracer.flush(20)
    cancelled, following = (fetched(console, key) for key in ids)
    assert cancelled["summary"]["status"] == "stopped"
    assert all(span["end_time"] and not span["error_info"] for span in cancelled["spans"])
    assert following["summary"]["status"] == "ok"
    assert [span["name"] for span in following["spans"]] == ["step"]


def test_traces_survive_a_restart_of_the_console(console: Console, tracer: Tracer) -> None:
    trace_id = answered(tracer, "before the restart")
    assert tracer.flush(20)

    console.stop()
    console.start()

    assert fetched(console, trace_id)["trace"]["input"] == {"question": "before the restart"}


@pytest.mark.quiet
def test_with_the_console_down_requests_are_fast_and_traces_arrive_when_it_is_back(
    console: Console, tracer: Tracer
) -> None:
    answered(tracer, "the SDK is loaded")
    assert tracer.flush(20)
    console.stop()

    started = time.perf_counter()
    ids = [answered(tracer, f"question {number}") for number in range(50)]
    assert (time.perf_counter() - started) / 50 < 0.005
    assert not tracer.flush(0.5)

    console.start()
    assert tracer.flush(60)
    assert [fetched(console, key)["trace"]["input"]["question"] for key in ids] == [f"question {n}" for n in range(50)]


def test_a_console_that_comes_up_later_or_elsewhere_gets_the_traces(
    mongo_uri: str, mongo_database: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWIN_TRACING", "true")
    monkeypatch.delenv("OPIK_URL_OVERRIDE", raising=False)
    tracer = Deployment(Home(home)).tracer
    early = answered(tracer, "nobody runs yet")
    assert not tracer.flush(0.5)

    first, second = Console(mongo_uri, mongo_database), Console(mongo_uri, mongo_database)
    with started(first, home):
        assert tracer.flush(20)
        assert fetched(first, early)["trace"]["input"] == {"question": "nobody runs yet"}
    with started(second, home):
        late = answered(tracer, "it moved")
        assert tracer.flush(20)
        assert fetched(second, late)["trace"]["input"] == {"question": "it moved"}


@contextlib.contextmanager
def started(console: Console, home: Path) -> Generator[None]:
    """A console that runs as the stack of a home."""
    console.start()
    service = ServiceState(url=console.url, pid=os.getpid())
    with only_supervisor(Home(home)):
        Home(home).write_run_state(RunState(pid=os.getpid(), services={"console": service}))
        yield
    console.stop()


def test_a_trace_that_the_server_refuses_is_dropped_and_holds_up_no_other(console: Console, tracer: Tracer) -> None:
    before = answered(tracer, "before")
    with tracer.trace("rag", input={"question": "x" * (MAX_CHARACTERS + 1)}) as refused:
        pass
    after = answered(tracer, "after")

    assert tracer.flush(30)
    assert tracer.dropped == 1
    assert httpx.get(f"{console.url}/api/traces/{refused.id}").status_code == 404
    assert [fetched(console, key)["trace"]["input"]["question"] for key in (before, after)] == ["before", "after"]


def test_traces_beyond_the_capacity_are_dropped_and_counted() -> None:
    settings = read(OpikSettings).model_copy(update={"enabled": True, "api_key": None})
    nobody = f"http://127.0.0.1:{free_port()}{OPIK_PATH}"
    sender = delivery.Delivery(settings, lambda: nobody, capacity=5)
    with Tracer(settings.model_copy(update={"enabled": False}), lambda: None).trace("rag", input={}) as trace:
        pass

    for _ in range(20):
        sender.submit(trace)

    assert sender.dropped in (14, 15)  # five wait, and the thread may hold one more
    assert not sender.flush(0.1)


@pytest.mark.quiet
def test_a_trace_of_three_spans_costs_the_request_far_less_than_its_budget(tracer: Tracer, console: Console) -> None:
    answered(tracer, "the SDK is loaded")
    assert tracer.flush(20)

    seconds = []
    for number in range(200):
        started = time.perf_counter()
        answered(tracer, f"question {number}")
        seconds.append(time.perf_counter() - started)

    assert statistics.median(seconds) < 0.001
