"""OpenAI's chat-completions schema, as far as the client reads it."""

import contextlib
import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Protocol

import msgspec

__all__ = [
    "Completion",
    "Delta",
    "Message",
    "StreamingModel",
    "Usage",
    "WireModels",
    "WireReply",
    "error_message",
    "names_model",
]

Message = dict[str, str]
"""`{"role": "system" | "user" | "assistant", "content": text}`."""


class Usage(msgspec.Struct, frozen=True):
    """What an answer cost."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    finish_reason: str
    """`stop` when the model ended by itself, `length` when it reached `max_tokens`."""
    model: str
    """The model's name as the server tells it; for our own server `name@version`."""


class Delta(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of an answer. The last one has no text and carries `finish_reason`, `usage` and `model`."""

    text: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    model: str | None = None


class StreamingModel(Protocol):
    """A language model that answers piece by piece; `twin.serving.client.ChatClient` is one."""

    model: str | None
    """The name that it is asked by."""

    def stream(
        self, messages: Sequence[Message], *, max_tokens: int, temperature: float = 0.0
    ) -> AsyncGenerator[Delta]:
        """The answer as it is generated; closing the generator stops the generation."""
        ...


class WireDelta(msgspec.Struct):
    content: str | None = None


class WireMessage(msgspec.Struct):
    content: str | None = None


class WireChoice(msgspec.Struct):
    delta: WireDelta = msgspec.field(default_factory=WireDelta)
    message: WireMessage = msgspec.field(default_factory=WireMessage)
    finish_reason: str | None = None


class WireReply(msgspec.Struct):
    """A whole reply or one chunk of a stream: what we read of it."""

    choices: list[WireChoice] = []
    usage: Usage | None = None
    model: str | None = None
    error: Any = None


class WireModel(msgspec.Struct):
    id: str


class WireModels(msgspec.Struct):
    """The models of a server."""

    data: list[WireModel]


def error_message(content: bytes) -> str:
    """The server's own words about an error: OpenAI's `{"error": {"message": ...}}`, or the text of the body."""
    with contextlib.suppress(ValueError, RecursionError):
        body = json.loads(content)
        error = body.get("error", body) if isinstance(body, dict) else body
        if isinstance(error, dict):
            return str(error.get("message") or error.get("detail") or error)
        return str(error)
    return content.decode("utf-8", "replace")[:500]


def names_model(content: bytes) -> bool:
    """Whether an error is about the model's name, which some servers refuse with 400: OpenAI's `model_not_found`."""
    with contextlib.suppress(ValueError, RecursionError):
        body = json.loads(content)
        error = body.get("error") if isinstance(body, dict) else None
        return isinstance(error, dict) and (error.get("code") == "model_not_found" or error.get("param") == "model")
    return False
