"""Which passages become answers, on which side of the split. Pure: nothing is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from twin.datasets.passages import answer_of, choose, distinct
from twin.datasets.splits import HeldOutText, held_out_documents
from twin.records import Chunk  # noqa: TC001 - msgspec reads the annotations at run time

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["COPY_OF_HELD_OUT", "Plan", "plan"]

REPEATED_PASSAGE = "repeats another passage"
COPY_OF_HELD_OUT = "repeats held-out text"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What an instruct dataset will be made of, before anything is written."""

    train: list[Chunk]
    test: list[Chunk]
    answers: dict[str, str]
    """The author's own words in each of these passages and in each of `usable`, by chunk id."""
    usable: list[Chunk]
    """Every passage that could be learned from, those that the cap left out too."""
    suitable: int
    """How many passages read as an answer and repeat nothing."""
    chunks: list[Chunk]
    """All passages of the corpus."""
    test_documents: frozenset[str]
    rejected: dict[str, int]

    @property
    def learnable(self) -> list[Chunk]:
        """All passages of the documents that are not held out."""
        return [chunk for chunk in self.chunks if chunk.document_id not in self.test_documents]

    @property
    def held_out(self) -> list[Chunk]:
        """All passages of the held-out documents."""
        return [chunk for chunk in self.chunks if chunk.document_id in self.test_documents]


def plan(chunks: Iterable[Chunk], *, cap: int, test_share: float, seed: int) -> Plan:
    """Chooses at most `cap` passages, `test_share` of them for the test split.

    What is chosen for training does not depend on what held-out documents say, except that no copies of it are taken.
    """
    everything = sorted(chunks, key=lambda chunk: (chunk.document_id, chunk.ordinal))
    answers = {chunk.id: answer for chunk in everything if (answer := answer_of(chunk.text))}
    suitable = [chunk for chunk in everything if chunk.id in answers]
    held_out = held_out_documents({chunk.document_id: chunk.author for chunk in suitable}, test_share, seed)
    test = list(distinct(chunk for chunk in suitable if chunk.document_id in held_out))
    train = list(distinct(chunk for chunk in suitable if chunk.document_id not in held_out))
    kept_out = HeldOutText(
        text
        for chunk in everything
        if chunk.document_id in held_out
        for text in (chunk.text, answers.get(chunk.id, ""))
    )
    own = [chunk for chunk in train if not (kept_out.is_in(chunk.text) or kept_out.is_in(answers[chunk.id]))]
    rejected = {
        REPEATED_PASSAGE: len(suitable) - len(test) - len(train),
        COPY_OF_HELD_OUT: len(train) - len(own),
    }
    test_cap = max(1, round(cap * test_share))
    chosen_train, chosen_test = choose(own, cap - test_cap, seed), choose(test, test_cap, seed)
    kept = {chunk.id for chunk in (*own, *chosen_test)}
    return Plan(
        train=chosen_train,
        test=chosen_test,
        answers={key: answer for key, answer in answers.items() if key in kept},
        usable=own,
        suitable=len(own) + len(test),
        chunks=everything,
        test_documents=frozenset(held_out),
        rejected={reason: count for reason, count in rejected.items() if count},
    )
