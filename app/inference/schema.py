"""What goes over the wire: OpenAI's chat-completions request and replies."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from twin.decoding import NOT_JSON
from twin.errors import InputError

__all__ = ["ChatMessage", "ChatRequest", "FinishReason", "Piece", "Reply", "Usage", "parse_request"]

DEFAULT_MAX_TOKENS = 256

Text = Annotated[str, msgspec.Meta(min_length=1)]
Positive = Annotated[int, msgspec.Meta(ge=1)]


class ChatMessage(msgspec.Struct, frozen=True):
    """One turn of the conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation to go on with. OpenAI's other fields are accepted and have no effect."""

    messages: Annotated[list[ChatMessage], msgspec.Meta(min_length=1)]
    max_tokens: Positive = DEFAULT_MAX_TOKENS
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0.0
    """0 always takes the likeliest token."""
    top_p: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    repetition_penalty: Annotated[float, msgspec.Meta(ge=1, le=2)] | None = None
    """By how much a token that the answer already has becomes less likely; 1 is none. Unset: the server's."""
    seed: int | None = None
    stop: Text | list[Text] | None = None
    """The answer ends before any of these."""
    stream: bool = False
    n: Annotated[int, msgspec.Meta(ge=1, le=1)] = 1
    metadata: dict[str, Any] | None = None
    """Ids of the caller, for the log: SageMaker strips request headers, so ids travel here."""

    @property
    def stop_texts(self) -> list[str]:
        if self.stop is None:
            return []
        return [self.stop] if isinstance(self.stop, str) else self.stop


class Usage(msgspec.Struct, frozen=True):
    """Tokens of the prompt, of the answer, and of the prompt's start that was still in the cache."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0


FinishReason = Literal["stop", "length"]


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of an answer; the last one carries why it ended and what it cost."""

    text: str = ""
    finish_reason: FinishReason | None = None
    usage: Usage | None = None


def parse_request(body: bytes) -> ChatRequest:
    """The request in a body.

    Raises:
        InputError: It is not JSON, or a field does not fit; names the field.
    """
    try:
        return msgspec.json.decode(body, type=ChatRequest)
    except NOT_JSON as error:
        raise InputError(f"The request does not fit the chat-completions schema: {error}") from error


class Reply:
    """Renders one answer, whole or in chunks. Each reply has one id, and tells the model's name and version."""

    def __init__(self, model: str) -> None:
        self.id = f"chatcmpl-{uuid.uuid4().hex}"
        self._common = {"id": self.id, "created": int(time.time()), "model": model}

    def whole(self, pieces: Sequence[Piece]) -> dict[str, Any]:
        """The body of an answer that is not streamed."""
        message = {"role": "assistant", "content": "".join(piece.text for piece in pieces)}
        choice = {"index": 0, "message": message, "finish_reason": pieces[-1].finish_reason}
        return self._common | {"object": "chat.completion", "choices": [choice], **_usage(pieces[-1])}

    def chunk(self, piece: Piece) -> dict[str, Any]:
        """The data of one event of a stream."""
        choice = {
            "index": 0,
            "delta": {"content": piece.text} if piece.text else {},
            "finish_reason": piece.finish_reason,
        }
        return self._common | {"object": "chat.completion.chunk", "choices": [choice], **_usage(piece)}


def _usage(piece: Piece) -> dict[str, Any]:
    if piece.usage is None:
        return {}
    usage = piece.usage
    return {
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        }
    }
