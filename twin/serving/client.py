"""A client of any server that speaks OpenAI's chat-completions schema, with our errors and cancellation."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from twin.decoding import NOT_JSON
from twin.errors import ModelUnavailable
from twin.serving.connections import Connections
from twin.serving.faults import Faults
from twin.serving.sse import EventParser
from twin.serving.wire import (
    Completion,
    Delta,
    Message,
    Usage,
    WireModels,
    WireReply,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

__all__ = ["ChatClient", "Completion", "Delta", "Message", "Usage"]

CONNECT_SECONDS = 5.0
DONE = "[DONE]"


class ChatClient:
    """Chat completions over HTTP. Safe to share between threads and tasks; connections are pooled.

    `base_url` is a model container (`http://host:port`, asked at `/invocations`) or an OpenAI-compatible API
    (`https://host/v1`, asked at `/chat/completions`). `timeout` is the longest wait, in seconds, for the next bytes. A
    streamed answer that goes on for `answer_seconds` after its first byte ends there, cut as by a limit of tokens
    (`length`); None sets no limit.

    Raises, from every method that generates:
        InputError: The server refused what was asked as wrong (400, 413, 422); carries its message.
        Overloaded: The server's queue is full; try again later.
        ModelUnavailable: No answer: not reachable, timed out, failed, or it is asked wrongly: another key, address or
            model's name is a thing of whoever set them, not of the one who asks.
        GenerationInterrupted: The answer broke off in the middle.
    """

    def __init__(
        self,
        base_url: str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        timeout: float = 60.0,
        answer_seconds: float | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.model = model
        self.timeout = timeout
        self._is_api = self.base_url.endswith("/v1")
        self._url = f"{self.base_url}/{'chat/completions' if self._is_api else 'invocations'}"
        self._is_unnamed = self._is_api and model is None
        self._answer_seconds = answer_seconds
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        timeouts = httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS))
        self._connections = Connections(self.base_url, headers, timeouts)
        self._faults = Faults(self.base_url, self._url, timeout)

    def __repr__(self) -> str:
        return f"ChatClient({self.base_url!r}, model={self.model!r})"

    def complete(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int | None = None,
        stop: Sequence[str] | None = None,
    ) -> Completion:
        """The whole answer to `messages`."""
        if self._is_unnamed:
            self._take_only(self.models())
        body = self._body(messages, max_tokens, temperature, seed, stop)
        with self._faults.as_our_errors():
            response = self._connections.of_threads().post(self._url, json=body)
        return self._completion(response)

    async def acomplete(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int | None = None,
        stop: Sequence[str] | None = None,
    ) -> Completion:
        """The whole answer to `messages`. Cancelling the task stops the generation."""
        await self._name()
        body = self._body(messages, max_tokens, temperature, seed, stop)
        with self._faults.as_our_errors():
            async with self._connections.of_loop() as pool:
                response = await pool.post(self._url, json=body)
        return self._completion(response)

    async def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int | None = None,
        stop: Sequence[str] | None = None,
    ) -> AsyncGenerator[Delta]:
        """The answer to `messages` as it is generated. Closing the generator stops the generation."""
        await self._name()
        body = self._body(messages, max_tokens, temperature, seed, stop)
        body |= {"stream": True, "stream_options": {"include_usage": True}}
        started = False
        try:
            async with self._connections.of_loop() as pool, pool.stream("POST", self._url, json=body) as response:
                if not response.is_success:
                    await response.aread()
                    raise self._faults.refusal(response, self.model)
                async with contextlib.aclosing(self._deltas(response)) as deltas:
                    async for delta in deltas:
                        started = True
                        yield delta
        except httpx.HTTPError as error:
            if started:
                raise self._faults.interrupted(repr(error)) from error
            raise self._faults.unavailable(error) from error

    def models(self) -> list[str]:
        """The models that an OpenAI-compatible server has; none for a model container, which has its one.

        Raises:
            ModelUnavailable: It does not answer, or refuses the key.
        """
        if not self._is_api:
            with self._faults.as_our_errors():
                self._connections.of_threads().get(f"{self.base_url}/ping").raise_for_status()
            return []
        with self._faults.as_our_errors():
            return self._listed(self._connections.of_threads().get(f"{self.base_url}/models"))

    def close(self) -> None:
        """Closes the connections of the synchronous half; the next call opens new ones."""
        self._connections.close()

    async def aclose(self) -> None:
        """Closes all connections; the next call opens new ones."""
        await self._connections.aclose()

    async def _name(self) -> None:
        """OpenAI's protocol wants a model's name in every request; where none was given, the server's one is meant."""
        if self._is_unnamed:
            with self._faults.as_our_errors():
                async with self._connections.of_loop() as pool:
                    response = await pool.get(f"{self.base_url}/models")
            self._take_only(self._listed(response))

    def _take_only(self, models: Sequence[str]) -> None:
        if len(models) > 1:
            raise ModelUnavailable(
                f"{self.base_url} has several models: {', '.join(models[:10])}. Say which one: MODEL_ENDPOINT_MODEL, "
                "or TEACHER_MODEL for the teacher."
            )
        self.model = models[0] if models else None
        self._is_unnamed = False

    def _listed(self, response: httpx.Response) -> list[str]:
        """The models that a server lists; none where it keeps no list."""
        if response.status_code == httpx.codes.NOT_FOUND:
            return []
        if response.is_error:
            raise self._faults.refusal(response, self.model)
        try:
            return [model.id for model in msgspec.json.decode(response.content, type=WireModels).data]
        except NOT_JSON as error:
            raise self._faults.no_chat_server(response.text[:500]) from error

    def _body(
        self,
        messages: Sequence[Message],
        max_tokens: int,
        temperature: float,
        seed: int | None,
        stop: Sequence[str] | None,
    ) -> dict[str, Any]:
        optional: Mapping[str, Any] = {"model": self.model, "seed": seed, "stop": list(stop) if stop else None}
        return {
            "messages": list(messages),
            "max_tokens": max_tokens,
            "temperature": temperature,
            **{name: value for name, value in optional.items() if value is not None},
        }

    async def _deltas(self, response: httpx.Response) -> AsyncGenerator[Delta]:
        """The pieces of a streamed reply; the last has the finish reason and the usage, however the server splits them.

        A stream that ends without a finish reason was cut off, whether or not the connection was closed politely.
        """
        finish_reason, usage, model, reply = None, None, self.model, None
        try:
            async for data in self._events(response):
                reply = self._decoded(data)
                finish_reason = next((c.finish_reason for c in reply.choices if c.finish_reason), finish_reason)
                usage, model = reply.usage or usage, reply.model or model
                for choice in reply.choices:
                    if choice.delta.content:
                        yield Delta(text=choice.delta.content)
        except TimeoutError:
            finish_reason = finish_reason or "length"
        if reply is None:
            raise self._faults.no_chat_server(f"no event of {response.headers.get('content-type')}")
        if finish_reason is None:
            raise self._faults.interrupted("the stream ended without a finish reason")
        yield Delta(finish_reason=finish_reason, usage=usage, model=model)

    async def _events(self, response: httpx.Response) -> AsyncGenerator[str]:
        """The events of a streamed reply, without the one that says that it is done.

        Raises:
            TimeoutError: They went on for longer than an answer may.
        """
        parser = EventParser()
        async with contextlib.aclosing(_within(self._answer_seconds, response.aiter_bytes())) as chunks:
            async for chunk in chunks:
                for data in parser.feed(chunk):
                    if data != DONE:
                        yield data

    def _decoded(self, data: str) -> WireReply:
        try:
            reply = msgspec.json.decode(data, type=WireReply)
        except NOT_JSON as error:
            raise self._faults.interrupted(f"{error}: {data[:200]}") from error
        if reply.error is not None:
            raise self._faults.interrupted(f"the server said: {reply.error}")
        return reply

    def _completion(self, response: httpx.Response) -> Completion:
        if not response.is_success:
            raise self._faults.refusal(response, self.model)
        try:
            reply = msgspec.json.decode(response.content, type=WireReply)
            choice = reply.choices[0]
        except (*NOT_JSON, IndexError) as error:
            raise self._faults.no_chat_server(response.text[:500]) from error
        usage = reply.usage or Usage()
        return Completion(
            text=choice.message.content or "",
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            finish_reason=choice.finish_reason or "stop",
            model=reply.model or self.model or "",
        )


async def _within(seconds: float | None, chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """The same chunks. Raises TimeoutError when they go on for longer than `seconds` after the first."""
    now = asyncio.get_running_loop().time
    deadline = None
    while True:
        async with asyncio.timeout_at(deadline):
            chunk = await anext(chunks, None)
        if chunk is None:
            return
        if deadline is None and seconds is not None:
            deadline = now() + seconds
        elif deadline is not None and now() >= deadline:  # a server that never pauses leaves the time-out no moment
            raise TimeoutError
        yield chunk
