"""The client against a scripted server on the loopback: what each reply means to the caller."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from twin.errors import GenerationInterrupted, InputError, ModelUnavailable, Overloaded, TwinError
from twin.processes import free_port
from twin.serving.client import ChatClient, Completion, Delta, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MESSAGES = [{"role": "user", "content": "Who are you?"}]
USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}


class Script:
    """What the server replies, and what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.parts: list[bytes] = []
        self.breaks_off = False
        self.goes_on = False
        """Whether the stream's last part is said again and again, until nobody listens."""
        self.hangs = threading.Event()
        self.hangs.set()
        self.may_end = threading.Event()
        """Unset, the stream falls silent before its end."""
        self.may_end.set()
        self.path = ""
        self.authorization: str | None = None
        self.body: dict[str, Any] = {}
        self.models: list[str] | None = None
        """What it lists; None keeps no list."""

    def reply(self, body: object, status: int = 200, **headers: str) -> None:
        self.status, self.headers, self.parts = status, headers, [json.dumps(body).encode()]

    def stream(self, *chunks: object, done: bool = True) -> None:
        self.parts = [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks]
        if done:
            self.parts.append(b"data: [DONE]\n\n")


def framed(part: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(part), part)


def handler_of(script: Script) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            script.path = self.path
            script.authorization = self.headers.get("Authorization")
            script.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            script.hangs.wait(10)
            self.send_response(script.status)
            for name, value in script.headers.items():
                self.send_header(name, value)
            self.send_header("Transfer-Encoding", "chunked")
            ending = b"" if script.breaks_off else b"0\r\n\r\n"
            self.close_connection = script.breaks_off
            with contextlib.suppress(OSError):  # the client that did not wait
                self.end_headers()
                self.wfile.write(b"".join(framed(part) for part in script.parts))
                script.may_end.wait(10)
                while script.goes_on:
                    self.wfile.write(framed(script.parts[-1]))
                self.wfile.write(ending)

        def do_GET(self) -> None:
            listed = script.models is not None and self.path == "/v1/models"
            body = json.dumps({"data": [{"id": name} for name in script.models or []]}).encode()
            self.send_response(200 if listed else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    return Handler


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def url(script: Script) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(script)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def chunk(text: str | None = None, finish: str | None = None, **more: object) -> dict[str, object]:
    delta = {"content": text} if text is not None else {}
    return {"model": "m@1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


def streamed(client: ChatClient) -> list[Delta]:
    async def collect() -> list[Delta]:
        deltas = [delta async for delta in client.stream(MESSAGES, max_tokens=5)]
        await client.aclose()
        return deltas

    return asyncio.run(collect())


def completed(client: ChatClient) -> Completion:
    return client.complete(MESSAGES, max_tokens=5)


def acompleted(client: ChatClient) -> Completion:
    async def ask() -> Completion:
        try:
            return await client.acomplete(MESSAGES, max_tokens=5)
        finally:
            await client.aclose()

    return asyncio.run(ask())


WAYS = [completed, acompleted, streamed]


@pytest.mark.parametrize("ask", [completed, acompleted])
def test_a_whole_answer_has_its_text_usage_and_model(
    url: str, script: Script, ask: Callable[[ChatClient], Completion]
) -> None:
    message = {"role": "assistant", "content": "I am."}
    script.reply({"model": "m@1", "choices": [{"message": message, "finish_reason": "length"}], "usage": USAGE})
    assert ask(ChatClient(url)) == Completion(
        text="I am.", prompt_tokens=7, completion_tokens=2, finish_reason="length", model="m@1"
    )


def test_only_what_was_given_is_sent(url: str, script: Script) -> None:
    script.reply({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]})
    ChatClient(url).complete(MESSAGES, max_tokens=5)
    assert script.path == "/invocations"
    assert script.body == {"messages": MESSAGES, "max_tokens": 5, "temperature": 0.0}


def test_an_openai_compatible_server_is_asked_at_its_own_path_with_key_and_model(url: str, script: Script) -> None:
    script.reply({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]})
    client = ChatClient(f"{url}/v1/", model="big", api_key="secret")
    client.complete(MESSAGES, max_tokens=5, temperature=0.5, seed=3, stop=["\n"])
    assert script.path == "/v1/chat/completions"
    assert script.authorization == "Bearer secret"
    assert script.body["model"] == "big"
    assert script.body["seed"] == 3
    assert script.body["stop"] == ["\n"]
    assert "secret" not in repr(client)


@pytest.mark.parametrize("ask", [completed, acompleted, streamed])
def test_without_a_name_the_one_model_of_a_server_is_asked(
    url: str, script: Script, ask: Callable[[ChatClient], object]
) -> None:
    script.stream(chunk("Ada", "stop"))
    if ask is not streamed:
        script.reply({"choices": [{"message": {"content": "Ada"}, "finish_reason": "stop"}]})
    script.models = ["llama-70b"]
    ask(ChatClient(url + "/v1"))
    assert script.body["model"] == "llama-70b"

    script.models = ["llama-70b", "qwen-8b"]
    with pytest.raises(ModelUnavailable, match=r"llama-70b, qwen-8b.*MODEL_ENDPOINT_MODEL"):
        ask(ChatClient(url + "/v1"))
    ask(ChatClient(url + "/v1", model="qwen-8b"))
    assert script.body["model"] == "qwen-8b"

    script.models = None
    ask(ChatClient(url + "/v1"))
    assert "model" not in script.body, "a server that keeps no list may need no name"


@pytest.mark.parametrize("ask", WAYS)
@pytest.mark.parametrize(
    ("status", "headers", "error", "says"),
    [
        (400, {}, InputError, "too long"),
        (422, {}, InputError, "too long"),
        (404, {}, ModelUnavailable, "Set its URL"),
        (405, {}, ModelUnavailable, "Set its URL"),
        (301, {"Location": "/elsewhere"}, ModelUnavailable, "Set its URL"),
        (401, {}, ModelUnavailable, "API key"),
        (429, {"Retry-After": "2"}, Overloaded, "in 2 s"),
        (429, {}, Overloaded, "later"),
        (503, {"Retry-After": "9"}, Overloaded, "in 9 s"),
        (503, {}, ModelUnavailable, "503"),
        (500, {}, ModelUnavailable, "too long"),
    ],
)
def test_a_status_means_one_error(
    url: str,
    script: Script,
    ask: Callable[[ChatClient], object],
    status: int,
    headers: dict[str, str],
    error: type[TwinError],
    says: str,
) -> None:
    script.reply({"error": {"message": "too long"}}, status, **headers)
    with pytest.raises(error, match=says):
        ask(ChatClient(url))


@pytest.mark.parametrize("ask", WAYS)
def test_nobody_listening_is_unavailable(ask: Callable[[ChatClient], object]) -> None:
    with pytest.raises(ModelUnavailable, match="does not answer"):
        ask(ChatClient(f"http://127.0.0.1:{free_port()}"))


@pytest.mark.parametrize("ask", WAYS)
def test_a_server_that_says_nothing_in_time_is_unavailable(
    url: str, script: Script, ask: Callable[[ChatClient], object]
) -> None:
    script.hangs.clear()
    with pytest.raises(ModelUnavailable, match="within"):
        ask(ChatClient(url, timeout=0.2))
    script.hangs.set()


@pytest.mark.parametrize("ask", WAYS)
@pytest.mark.parametrize("body", [b"<html>hello</html>", b'{"choices": "\xff"}', b'{"choices": ' + b"[" * 100_000])
def test_a_reply_of_another_kind_is_unavailable(
    url: str, script: Script, ask: Callable[[ChatClient], object], body: bytes
) -> None:
    script.parts = [body]
    with pytest.raises(ModelUnavailable, match="Set its URL"):
        ask(ChatClient(url))


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize("ask", WAYS)
def test_a_wrong_model_name_is_not_the_readers_mistake(
    url: str, script: Script, ask: Callable[[ChatClient], object], status: int
) -> None:
    script.reply({"error": {"message": "The model `big` does not exist.", "code": "model_not_found"}}, status)
    with pytest.raises(ModelUnavailable, match="no model 'big'") as raised:
        ask(ChatClient(url, model="big"))
    assert raised.value.detail == "The model `big` does not exist."


@pytest.mark.parametrize(
    "ending",
    [
        [chunk(finish="stop", usage=USAGE)],
        [chunk(finish="stop"), {"model": "m@1", "choices": [], "usage": USAGE}],
    ],
    ids=["usage with the finish reason", "usage in a chunk of its own"],
)
def test_a_stream_ends_with_one_delta_that_has_everything(url: str, script: Script, ending: list[object]) -> None:
    script.stream({"choices": [{"delta": {"role": "assistant", "content": None}}]}, chunk("I "), chunk("am."), *ending)
    assert streamed(ChatClient(url)) == [
        Delta(text="I "),
        Delta(text="am."),
        Delta(finish_reason="stop", usage=Usage(7, 2), model="m@1"),
    ]
    assert script.body["stream"] is True


@pytest.mark.parametrize("way", ["connection cut", "no finish reason", "error event", "broken JSON"])
def test_a_stream_that_breaks_is_an_interrupted_generation(url: str, script: Script, way: str) -> None:
    script.stream(chunk("I "), done=way == "no finish reason")
    script.breaks_off = way == "connection cut"
    if way == "error event":
        script.parts.append(b'data: {"error": {"message": "out of memory"}}\n\n')
    if way == "broken JSON":
        script.parts.append(b'data: {"choices": [\n\n')
    texts: list[str] = []

    async def read() -> None:
        client = ChatClient(url)
        try:
            async for delta in client.stream(MESSAGES, max_tokens=5):
                texts.append(delta.text)
        finally:
            await client.aclose()

    with pytest.raises(GenerationInterrupted, match="in the middle"):
        asyncio.run(read())
    assert texts == ["I "]


def test_an_answer_without_an_end_is_cut_when_its_seconds_are_over(url: str, script: Script) -> None:
    script.stream(chunk("and "), done=False)
    script.goes_on = True
    *said, last = streamed(ChatClient(url, answer_seconds=0.3))
    assert {delta.text for delta in said} == {"and "}
    assert last == Delta(finish_reason="length", model="m@1")


def test_an_answer_that_stops_saying_anything_is_cut_when_its_seconds_are_over(url: str, script: Script) -> None:
    script.stream(chunk("Half"), done=False)
    script.may_end.clear()
    try:
        assert streamed(ChatClient(url, answer_seconds=0.3))[-1] == Delta(finish_reason="length", model="m@1")
    finally:
        script.may_end.set()


def test_one_client_serves_one_event_loop_after_another_and_reopens_after_closing(url: str, script: Script) -> None:
    script.stream(chunk("a"), chunk(finish="stop"))
    client = ChatClient(url)
    assert [streamed(client)[0].text, streamed(client)[0].text] == ["a", "a"]
    script.reply({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]})
    client.close()
    assert completed(client).text == "x"
