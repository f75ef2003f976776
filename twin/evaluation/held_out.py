"""The questions that models are judged on: instructions of documents that no training saw, with their passages."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

import msgspec

from twin import prompts
from twin.retrieval.relevance import relevant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from twin.records import InstructSample
    from twin.retrieval.retriever import Retriever
    from twin.settings import RagSettings

__all__ = ["HeldOut", "held_out", "shown_by_twin"]


class HeldOut(msgspec.Struct, frozen=True, kw_only=True):
    """An instruction, what the author wrote there, and what a twin shows its model."""

    id: str
    author: str
    instruction: str
    prompt: list[dict[str, str]]
    """As training has it, with the sample's own context: the author's words are scored after it."""
    answer: str
    """The author's passage."""
    passages: list[str] = []
    """What the serving prompt shows, as it shows it; none where the twin would find nothing and ask no model."""


def held_out(
    samples: Iterable[InstructSample], limit: int, find: Callable[[str, str], list[str]] | None = None
) -> list[HeldOut]:
    """At most `limit` samples of the test split: authors in turn, each in a fixed order that has nothing to do with
    the texts. `find` gives the passages for an instruction and an author; without it a sample's context stands in."""
    by_author: dict[str, list[InstructSample]] = defaultdict(list)
    for sample in samples:
        if sample.split == "test":
            by_author[sample.author].append(sample)
    queues = [sorted(by_author[author], key=_shuffled) for author in sorted(by_author)]
    in_turn = [sample for sample in chain.from_iterable(zip_longest(*queues)) if sample is not None]
    return [
        HeldOut(
            id=sample.id,
            author=sample.author,
            instruction=sample.instruction,
            prompt=prompts.answer_messages(sample.instruction, sample.author, sample.context),
            answer=sample.answer,
            passages=find(sample.instruction, sample.author) if find else prompts.fit(sample.context),
        )
        for sample in in_turn[:limit]
    ]


def shown_by_twin(retriever: Retriever, settings: RagSettings) -> Callable[[str, str], list[str]]:
    """Finds the passages that the twin would show its model for a question to an author.

    Raises, when called:
        IndexUnavailable: The index does not answer, or nothing has been published to it.
    """

    def find(question: str, author: str) -> list[str]:
        found = retriever.retrieve(question, settings.top_k, author=author).passages
        kept = relevant(found, settings.min_relevance, settings.min_similarity)
        return prompts.fit(retriever.joined(kept, prompts.PASSAGE_WORDS))

    return find


def _shuffled(sample: InstructSample) -> str:
    return hashlib.sha256(sample.id.encode()).hexdigest()
