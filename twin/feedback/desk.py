"""Where feedback comes in. What it says is stripped of personal data before anything keeps it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import msgspec

from twin.cleaning import redact
from twin.errors import InputError, UnknownName
from twin.records import utcnow
from twin.warehouse.conversion import storable_time
from twin.warehouse.feedback import Feedback, feedback_id

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from twin.records import Interaction

__all__ = ["SCORE", "Desk", "Kept", "Said", "Traces"]

SCORE = "user_feedback"
"""The name of the score in the trace."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader says of an answer."""

    answer: str
    """The id of the answer or of its trace."""
    score: float | None = None
    """From 0, a thumb down, to 1, a thumb up."""
    correction: str = ""
    """The answer as they would have written it."""
    comment: str = ""
    """Why."""


class Kept(Protocol):
    """Where interactions and feedback are kept. Every method raises WarehouseUnavailable."""

    async def find(self, key: str) -> Interaction | None:
        """The interaction of that id, or of that trace."""
        ...

    async def rate(self, feedback: Feedback) -> Feedback:
        """Keeps feedback in the place of what the reader said before; gives what is kept."""
        ...


class Traces(Protocol):
    """Where answers are traced."""

    def rate(self, trace_id: str, name: str, value: float, reason: str = "") -> None:
        """Adds a score to a trace that may have ended long ago. Returns at once and never raises."""
        ...


class Desk:
    """Takes feedback."""

    def __init__(self, kept: Kept, traces: Traces, *, clock: Callable[[], datetime] = utcnow) -> None:
        self._kept = kept
        self._traces = traces
        self._clock = clock

    async def take(self, said: Said, reader: str) -> Feedback:
        """Keeps what a reader says of an answer. Saying the same again changes nothing, something else replaces it.

        Raises:
            InputError: It says nothing of the answer.
            UnknownName: There is no such answer.
            WarehouseUnavailable: MongoDB does not answer, so nothing is kept.
        """
        if said.score is None and not said.correction.strip():
            raise InputError("Say whether the answer was good (`rating`), or how it should read (`correction`).")
        interaction = await self._kept.find(said.answer)
        if interaction is None:
            raise UnknownName(
                f"There is no answer {said.answer!r}. Name the `id` or the `trace_id` that came with the answer; an "
                "answer that was deleted has none any more."
            )
        feedback = await self._kept.rate(
            Feedback(
                id=feedback_id(interaction.id, reader),
                interaction_id=interaction.id,
                reader=reader,
                score=said.score,
                correction=await asyncio.to_thread(_stripped, said.correction),
                comment=await asyncio.to_thread(_stripped, said.comment),
                at=storable_time(self._clock()),
            )
        )
        if feedback.score is not None:
            self._traces.rate(interaction.trace_id, SCORE, feedback.score, feedback.comment)
        return feedback


def _stripped(text: str) -> str:
    return redact(text.strip())[0]
