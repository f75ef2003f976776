"""Taking feedback, with everything that it is handed to written down."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from twin.errors import InputError, UnknownName
from twin.feedback import Desk, Said
from twin.records import Interaction

if TYPE_CHECKING:
    from twin.warehouse import Feedback

NOW = datetime(2026, 5, 1, tzinfo=UTC)
ANSWER = Interaction(id="i", trace_id="t", created_at=NOW, question="Why?", author="A", answer="So.", status="answered")


@dataclass
class World:
    kept: list[Feedback] = field(default_factory=list)
    scores: list[tuple[str, str, float, str]] = field(default_factory=list)

    def take(self, said: Said, reader: str = "r") -> Feedback:
        return asyncio.run(Desk(self, Scores(self.scores), clock=lambda: NOW).take(said, reader))

    async def find(self, key: str) -> Interaction | None:
        return ANSWER if key in ("i", "t") else None

    async def rate(self, feedback: Feedback) -> Feedback:
        self.kept.append(feedback)
        return feedback


@dataclass
class Scores:
    given: list[tuple[str, str, float, str]]

    def rate(self, trace_id: str, name: str, value: float, reason: str = "") -> None:
        self.given.append((trace_id, name, value, reason))


@pytest.mark.parametrize("answer", ["i", "t"])
def test_feedback_is_kept_with_the_answer_and_scores_its_trace(answer: str) -> None:
    world = World()
    feedback = world.take(Said(answer=answer, score=0.0, comment=" Ask me at a@b.org. "))
    assert world.kept == [feedback]
    assert (feedback.interaction_id, feedback.reader, feedback.at) == ("i", "r", NOW)
    assert world.scores == [("t", "user_feedback", 0.0, "Ask me at [EMAIL].")]


def test_a_reader_has_one_word_on_an_answer_and_two_readers_have_two() -> None:
    world = World()
    ids = [world.take(Said(answer="i", score=score), reader).id for score, reader in ((0, "r"), (1, "r"), (1, "s"))]
    assert ids[0] == ids[1] != ids[2]


def test_a_correction_alone_gives_no_score_and_loses_what_is_private() -> None:
    world = World()
    feedback = world.take(Said(answer="i", correction="My key is AKIAIOSFODNN7EXAMPLE, and I bake."))
    assert "AKIA" not in feedback.correction
    assert feedback.correction.endswith(", and I bake.")
    assert world.scores == []


def test_saying_nothing_or_of_nothing_is_refused() -> None:
    world = World()
    with pytest.raises(InputError, match="rating"):
        world.take(Said(answer="i", comment="Hm.", correction="  "))
    with pytest.raises(UnknownName, match="'x'"):
        world.take(Said(answer="x", score=1))
    assert world.kept == []
