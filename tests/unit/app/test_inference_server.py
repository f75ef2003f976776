"""The container's HTTP, with an engine that repeats what it is told."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from litestar.testing import TestClient

from app.inference.model import ModelFiles
from app.inference.schema import ChatRequest, Piece, Usage
from app.inference.server import create_app
from twin.errors import ArtifactError, GenerationInterrupted, InputError
from twin.processes import wait_until
from twin.settings import EndpointSettings, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from litestar import Litestar

    from app.inference.engine import Emit, Engine

FILES = ModelFiles("gguf", Path("twin.gguf"), "twin@1")


class Echo:
    """Says the words of the last message, one piece each; `break` breaks off, `refuse` is refused."""

    def generate(self, request: ChatRequest, emit: Emit) -> None:
        for word in request.messages[-1].content.split():
            if word == "refuse":
                raise InputError("refused")
            if word == "break":
                raise GenerationInterrupted("broke off", detail="the reason")
            if not emit(Piece(text=f"{word} ")):
                return
        emit(Piece(finish_reason="stop", usage=Usage(1, 2)))


class Loading:
    """A model whose loading the test decides on."""

    def __init__(self) -> None:
        self.may_load = threading.Event()
        self.error: Exception | None = None
        self.failures: list[Exception] = []

    def load(self) -> Engine:
        self.may_load.wait(10)
        if self.error:
            raise self.error
        return Echo()

    def app(self, queue_limit: int = 4) -> Litestar:
        settings = read(EndpointSettings).model_copy(update={"slots": 1, "queue_limit": queue_limit})
        return create_app(FILES, self.load, settings, self.failures.append)


@pytest.fixture
def loading() -> Loading:
    return Loading()


@pytest.fixture
def client(loading: Loading) -> Iterator[TestClient[Litestar]]:
    loading.may_load.set()
    with TestClient(loading.app()) as client:
        wait_until(lambda: client.get("/ping").status_code == 200, what="the app", timeout=5)
        yield client


def ask(text: str, *, stream: bool = False) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": text}], "stream": stream}


def test_until_the_model_is_loaded_it_is_alive_but_not_ready(loading: Loading) -> None:
    with TestClient(loading.app()) as client:
        assert client.get("/health/live").status_code == 200
        assert [client.get(path).status_code for path in ("/ping", "/health/ready")] == [503, 503]
        reply = client.post("/invocations", json=ask("hello"))
        assert reply.status_code == 503
        assert "still loading" in reply.json()["error"]["message"]
        loading.may_load.set()
        wait_until(lambda: client.get("/ping").status_code == 200, what="the app", timeout=5)
        assert client.get("/ping").json() == {"status": "ready", "model": "twin@1", "active": 0, "waiting": 0}


def test_a_model_that_does_not_load_is_reported_to_the_program(loading: Loading) -> None:
    loading.error = ArtifactError("broken")
    loading.may_load.set()
    with TestClient(loading.app()) as client:
        wait_until(lambda: bool(loading.failures), what="the failure", timeout=5)
        assert client.get("/ping").status_code == 503
    assert loading.failures == [loading.error]


@pytest.mark.parametrize("path", ["/invocations", "/v1/chat/completions"])
def test_a_whole_answer(client: TestClient[Litestar], path: str) -> None:
    body = client.post(path, json=ask("one two")).json()
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "one two "}
    assert body["model"] == "twin@1"
    assert body["usage"]["total_tokens"] == 3


def test_a_streamed_answer_ends_with_usage_and_done(client: TestClient[Litestar]) -> None:
    reply = client.post("/invocations", json=ask("one two", stream=True))
    assert reply.headers["content-type"].startswith("text/event-stream")
    *events, done, rest = reply.text.split("\n\n")
    assert (len(events), done, rest) == (3, "data: [DONE]", "")
    assert '"usage"' in events[-1]


def test_an_error_before_the_first_token_has_its_status(client: TestClient[Litestar]) -> None:
    for stream in (False, True):
        reply = client.post("/invocations", json=ask("refuse", stream=stream))
        assert (reply.status_code, reply.json()["error"]) == (400, {"message": "refused", "type": "InputError"})


def test_an_error_in_the_middle_is_the_last_event_and_keeps_its_detail_to_itself(client: TestClient[Litestar]) -> None:
    reply = client.post("/invocations", json=ask("one break", stream=True))
    assert reply.status_code == 200
    last = reply.text.split("\n\n")[-2]
    assert "broke off" in last
    assert "[DONE]" not in reply.text
    assert "the reason" not in reply.text
    assert client.post("/invocations", json=ask("one break")).status_code == 502


def test_a_full_queue_is_a_429_that_says_when_to_come_back(loading: Loading) -> None:
    loading.may_load.set()
    held, release = threading.Event(), threading.Event()

    class Held(Echo):
        def generate(self, request: ChatRequest, emit: Emit) -> None:
            held.set()
            release.wait(10)
            super().generate(request, emit)

    settings = read(EndpointSettings).model_copy(update={"slots": 1, "queue_limit": 0})
    with TestClient(create_app(FILES, Held, settings, loading.failures.append)) as client:
        wait_until(lambda: client.get("/ping").status_code == 200, what="the app", timeout=5)
        first = threading.Thread(target=client.post, args=("/invocations",), kwargs={"json": ask("one")})
        first.start()
        held.wait(5)
        reply = client.post("/invocations", json=ask("two"))
        release.set()
        first.join(5)
    assert reply.status_code == 429
    assert int(reply.headers["Retry-After"]) > 0


def test_a_body_that_is_no_request_is_a_400(client: TestClient[Litestar]) -> None:
    reply = client.post("/invocations", content=b"\xff{")
    assert reply.status_code == 400
    assert reply.json()["error"]["type"] == "InputError"
