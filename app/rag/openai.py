"""OpenAI's chat completions: the last message of the user is the question, and the answer is the twin's."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta, Struct

from app.http.connection import event_stream, while_connected
from app.rag.routes import PROBLEMS
from twin.errors import EmptyQuestion
from twin.rag.engine import Rag
from twin.rag.messages import Answer, Event, Failed, Finished, Found, Question, Retracted, Token
from twin.serving.sse import event as sse_event

__all__ = ["ROUTES"]

DONE = b"data: [DONE]\n\n"
MODEL = "llm-twin"


class Part(Struct):
    """A part of a message; parts that are not text are not read."""

    type: str
    text: str = ""


class Message(Struct):
    """A message of the conversation."""

    role: str
    content: str | list[Part] | None = None

    def text(self) -> str:
        """What it says."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content or [] if part.type == "text")


class ChatRequest(Struct):
    """The fields of OpenAI's schema that mean something here; others are ignored."""

    messages: list[Message]
    model: str = MODEL
    stream: bool = False
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None

    def question(self) -> Question:
        """The last message of the user.

        Raises:
            EmptyQuestion: There is none.
        """
        asked = next((message.text() for message in reversed(self.messages) if message.role == "user"), None)
        if asked is None:
            raise EmptyQuestion("No message has the role `user`. The last one of the user is the question.")
        return Question(
            text=asked,
            max_tokens=self.max_completion_tokens or self.max_tokens,
            temperature=self.temperature,
        )


@post("/v1/chat/completions", status_code=200, responses=PROBLEMS, summary="Answer as OpenAI's API does")
async def chat_completions(
    request: Request[Any, Any, Any], data: JSONBody[ChatRequest], rag: NamedDependency[Rag]
) -> Response[Any]:
    """The answer to the user's last message, whole or streamed, with its `sources` as an extra field."""
    if not data.stream:
        answer = await while_connected(request, rag.answer(data.question()))
        return Response(_completion(answer))
    events = rag.stream(data.question())
    first = await anext(events)
    return event_stream(_chunks(first, events), source=events)


async def _chunks(first: Event, rest: AsyncGenerator[Event]) -> AsyncGenerator[bytes]:
    """The events as chunks; an error in the middle is a chunk with `error`, after which nothing is done."""
    base = _base(first.id if isinstance(first, Found) else "", "chat.completion.chunk")
    yield _chunk(base, {"role": "assistant", "content": ""})
    async for event in rest:
        match event:
            case Token(text=text):
                yield _chunk(base, {"content": text})
            case Retracted(text=text, guard=guard):
                retract = {"retract": {"text": text, "guard": guard}}
                yield _chunk(base | retract, {"content": f"\n\n{text}"})
            case Failed(type=kind, message=message):
                yield _event({"error": {"type": kind, "message": message}})
            case Finished(answer=answer):
                extra = {"usage": _usage(answer)} | _own(answer)
                yield _chunk(base | extra, {}, finish_reason=answer.finish_reason)
                yield DONE


def _completion(answer: Answer) -> dict[str, Any]:
    message = {"role": "assistant", "content": answer.answer}
    return (
        _base(answer.id, "chat.completion")
        | {
            "choices": [{"index": 0, "message": message, "finish_reason": answer.finish_reason}],
            "usage": _usage(answer),
        }
        | _own(answer)
    )


def _own(answer: Answer) -> dict[str, Any]:
    """The fields that are not of OpenAI's schema."""
    return {
        "sources": msgspec.to_builtins(answer.sources),
        "verdict": answer.verdict,
        "guards": msgspec.to_builtins(answer.guards),
    }


def _base(answer_id: str, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{answer_id}", "object": kind, "created": int(time.time()), "model": MODEL}


def _usage(answer: Answer) -> dict[str, int]:
    read, written = answer.usage.get("prompt_tokens", 0), answer.usage.get("completion_tokens", 0)
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _chunk(base: dict[str, Any], delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    return _event(base | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]})


def _event(body: dict[str, Any]) -> bytes:
    return sse_event(msgspec.json.encode(body).decode())


ROUTES = [chat_completions]
