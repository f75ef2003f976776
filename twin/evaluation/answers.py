"""Models' answers to held-out questions: decoded as served, several at a time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

import msgspec

from twin.prompts import answer_messages
from twin.training.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twin.evaluation.held_out import HeldOut
    from twin.serving.client import Completion

__all__ = ["MAX_ANSWER_TOKENS", "Answer", "Completer", "Prompt", "ask", "prompts_of"]

MAX_ANSWER_TOKENS = 96
"""Fewer than serving allows: a CPU takes seconds for each answer, and two for each question and model are asked."""

Prompt = list[dict[str, str]]


class Completer(Protocol):
    """What answers a prompt; `twin.serving.client.ChatClient` does. Asked from several threads at once."""

    def complete(self, messages: Sequence[dict[str, str]], *, max_tokens: int, temperature: float) -> Completion: ...


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a model said."""

    text: str
    tokens: int
    ended: bool
    """Whether the model ended by itself, and not at the limit of tokens."""
    seconds: float = 0.0
    """From the question to the whole answer, beside others in the making."""


def prompts_of(questions: Sequence[HeldOut]) -> tuple[list[Prompt], list[Prompt]]:
    """The questions alone, and those with passages as the twin asks them."""
    return (
        [answer_messages(one.instruction, one.author, []) for one in questions],
        [answer_messages(one.instruction, one.author, one.passages) for one in questions if one.passages],
    )


def ask(
    prompts: Sequence[Prompt],
    model: Completer,
    *,
    at_once: int = 1,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[Answer]:
    """The answers without randomness, in the order of the prompts, `at_once` of them in the making."""

    def answer(prompt: Prompt) -> Answer:
        began = time.monotonic()
        said = model.complete(prompt, max_tokens=MAX_ANSWER_TOKENS, temperature=0.0)
        return Answer(
            text=said.text,
            tokens=said.completion_tokens,
            ended=said.finish_reason == "stop",
            seconds=round(time.monotonic() - began, 3),
        )

    answers = []
    with ThreadPoolExecutor(at_once, thread_name_prefix="question") as threads:
        for number, answered in enumerate(threads.map(answer, prompts), 1):
            answers.append(answered)
            if on_progress:
                on_progress(Progress(event="answers", step=number, steps=len(prompts)))
    return answers
