"""A client of any server that speaks OpenAI's chat-completions schema, with our errors and cancellation."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from twin import http_clients
from twin.decoding import NOT_JSON
from twin.errors import GenerationInterrupted, InputError, ModelUnavailable, Overloaded
from twin.serving.sse import EventParser
from twin.serving.wire import (
    Completion,
    Delta,
    Message,
    Usage,
    WireModels,
    WireReply,
    error_message,
    names_model,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping, Sequence

__all__ = ["ChatClient", "Completion", "Delta", "Message", "Usage"]

CONNECT_SECONDS = 5.0
DONE = "[DONE]"
ABOUT_THE_QUESTION = (400, 413, 422)
"""Statuses with which a server refuses what is asked, and not how it is asked."""


@dataclass
class _Pool:
    """Connections of one event loop, and how many answers use them."""

    loop: asyncio.AbstractEventLoop
    client: httpx.AsyncClient
    answers: int = 0


class ChatClient:
    """Chat completions over HTTP. Safe to share between threads and tasks; connections are pooled.

    `base_url` is a model container (`http://host:port`, asked at `/invocations`) or an OpenAI-compatible API
    (`https://host/v1`, asked at `/chat/completions`). `timeout` is the longest wait, in seconds, for the next bytes.

    Raises, from every method that generates:
        InputError: The server refused what was asked as wrong (400, 413, 422); carries its message.
        Overloaded: The server's queue is full; try again later.
        ModelUnavailable: No answer: not reachable, timed out, failed, or it is asked wrongly: another key, address or
            model's name is a thing of whoever set them, not of the one who asks.
        GenerationInterrupted: The answer broke off in the middle.
    """

    def __init__(
        self, base_url: str, *, model: str | None = None, api_key: str | None = None, timeout: float = 60.0
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.model = model
        self.timeout = timeout
        self._is_api = self.base_url.endswith("/v1")
        self._url = f"{self.base_url}/{'chat/completions' if self._is_api else 'invocations'}"
        self._is_unnamed = self._is_api and model is None
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._timeouts = httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS))
        self._sync: httpx.Client | None = None
        self._pool: _Pool | None = None

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
        with self._as_our_errors():
            response = self._sync_client().post(self._url, json=body)
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
        with self._as_our_errors():
            async with self._pooled() as pool:
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
            async with self._pooled() as pool, pool.stream("POST", self._url, json=body) as response:
                if not response.is_success:
                    await response.aread()
                    raise self._refusal(response)
                async with contextlib.aclosing(self._deltas(response)) as deltas:
                    async for delta in deltas:
                        started = True
                        yield delta
        except httpx.HTTPError as error:
            if started:
                raise self._interrupted(repr(error)) from error
            raise self._unavailable(error) from error

    def models(self) -> list[str]:
        """The models that an OpenAI-compatible server has; none for a model container, which has its one.

        Raises:
            ModelUnavailable: It does not answer, or refuses the key.
        """
        if not self._is_api:
            with self._as_our_errors():
                self._sync_client().get(f"{self.base_url}/ping").raise_for_status()
            return []
        with self._as_our_errors():
            return self._listed(self._sync_client().get(f"{self.base_url}/models"))

    def close(self) -> None:
        """Closes the connections of the synchronous half; the next call opens new ones."""
        if self._sync is not None:
            self._sync.close()
            self._sync = None

    async def aclose(self) -> None:
        """Closes all connections; the next call opens new ones."""
        self.close()
        if self._pool is not None:
            pool, self._pool = self._pool, None
            await pool.client.aclose()

    def _sync_client(self) -> httpx.Client:
        """The synchronous half's pool. Threads that race to make it make one too many, which is then collected."""
        if self._sync is None:
            self._sync = http_clients.client(self.base_url, headers=self._headers, timeout=self._timeouts)
        return self._sync

    @contextlib.asynccontextmanager
    async def _pooled(self) -> AsyncGenerator[httpx.AsyncClient]:
        """The asynchronous half's pool, for one answer.

        An answer that is abandoned takes the pool out of use, and whoever leaves it last closes it: a request that is
        cancelled just when its connection stands leaves the connection behind, which httpx would count as busy for
        good (seen once in 50 to 100 times). Connections belong to one event loop, so another loop gets another pool.
        """
        loop = asyncio.get_running_loop()
        pool = self._pool
        if pool is None or pool.loop is not loop:
            made = http_clients.async_client(self.base_url, headers=self._headers, timeout=self._timeouts)
            pool = self._pool = _Pool(loop, made)
        pool.answers += 1
        try:
            yield pool.client
        except (asyncio.CancelledError, GeneratorExit):
            if self._pool is pool:
                self._pool = None
            raise
        finally:
            pool.answers -= 1
            if self._pool is not pool and not pool.answers:
                await asyncio.shield(pool.client.aclose())

    async def _name(self) -> None:
        """OpenAI's protocol wants a model's name in every request; where none was given, the server's one is meant."""
        if self._is_unnamed:
            with self._as_our_errors():
                async with self._pooled() as pool:
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
            raise self._refusal(response)
        try:
            return [model.id for model in msgspec.json.decode(response.content, type=WireModels).data]
        except NOT_JSON as error:
            raise self._no_chat_server(response.text[:500]) from error

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
        parser = EventParser()
        finish_reason, usage, model, reply = None, None, self.model, None
        async for chunk in response.aiter_bytes():
            for data in parser.feed(chunk):
                if data == DONE:
                    continue
                reply = self._decoded(data)
                finish_reason = next((c.finish_reason for c in reply.choices if c.finish_reason), finish_reason)
                usage, model = reply.usage or usage, reply.model or model
                for choice in reply.choices:
                    if choice.delta.content:
                        yield Delta(text=choice.delta.content)
        if reply is None:
            raise self._no_chat_server(f"no event of {response.headers.get('content-type')}")
        if finish_reason is None:
            raise self._interrupted("the stream ended without a finish reason")
        yield Delta(finish_reason=finish_reason, usage=usage, model=model)

    def _decoded(self, data: str) -> WireReply:
        try:
            reply = msgspec.json.decode(data, type=WireReply)
        except NOT_JSON as error:
            raise self._interrupted(f"{error}: {data[:200]}") from error
        if reply.error is not None:
            raise self._interrupted(f"the server said: {reply.error}")
        return reply

    def _completion(self, response: httpx.Response) -> Completion:
        if not response.is_success:
            raise self._refusal(response)
        try:
            reply = msgspec.json.decode(response.content, type=WireReply)
            choice = reply.choices[0]
        except (*NOT_JSON, IndexError) as error:
            raise self._no_chat_server(response.text[:500]) from error
        usage = reply.usage or Usage()
        return Completion(
            text=choice.message.content or "",
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            finish_reason=choice.finish_reason or "stop",
            model=reply.model or self.model or "",
        )

    def _refusal(self, response: httpx.Response) -> InputError | Overloaded | ModelUnavailable:
        """The error that an HTTP status means."""
        status, said = response.status_code, error_message(response.content)
        retry_after = response.headers.get("Retry-After")
        if status == 429 or (status == 503 and retry_after):
            when = f"in {retry_after} s" if retry_after else "later"
            return Overloaded(f"The model at {self.base_url} is busy. Try again {when}.", detail=said)
        if status in (401, 403):
            return ModelUnavailable(f"The model at {self.base_url} refused our key. Set its API key.", detail=said)
        if status in ABOUT_THE_QUESTION and not names_model(response.content):
            return InputError(f"The model refused the request: {said}")
        if status < 500:
            what = f"no model {self.model!r}" if self.model else "no such address"
            return ModelUnavailable(
                f"The server at {self.base_url} knows {what} (status {status}). Set its URL and the model's name.",
                detail=said,
            )
        return ModelUnavailable(f"The model at {self.base_url} failed with status {status}: {said}")

    def _no_chat_server(self, detail: str) -> ModelUnavailable:
        return ModelUnavailable(
            f"{self._url} does not answer as a chat-completions server. Set its URL.", detail=detail
        )

    @contextlib.contextmanager
    def _as_our_errors(self) -> Generator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: httpx.HTTPError) -> ModelUnavailable:
        if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
            what = f"did not answer within {self.timeout:.0f} s"
        else:
            what = "does not answer"
        return ModelUnavailable(
            f"The model at {self.base_url} {what}. See whether it runs: `llm-twin endpoint status`.",
            detail=repr(error),
        )

    def _interrupted(self, detail: str) -> GenerationInterrupted:
        return GenerationInterrupted(
            f"The model at {self.base_url} stopped in the middle of the answer. Ask again.", detail=detail
        )
