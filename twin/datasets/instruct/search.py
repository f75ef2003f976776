"""The twin's own search, asked whether an instruction leads back to its passage and what it would show for it.

What it found is remembered for as long as nothing changes that may be trained on, so that an edit of a held-out note,
which moves every ranking a little, changes no training sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from twin.datasets.splits import HeldOutText
from twin.prompts import PASSAGE_WORDS
from twin.records import Passage, content_hash
from twin.retrieval.relevance import relevant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.datasets.instruct.planning import Plan
    from twin.datasets.writer import InstructionCache
    from twin.records import Chunk

__all__ = ["DEPTH", "LEADS_BACK", "Backwards", "Search", "Shown"]

VERSION = "1"
DEPTH = 10
LEADS_BACK = 3
"""An instruction leads back when its passage, or a direct neighbour, is among so many found first."""
SAMPLE_WORDS = 400
"""What passages and answer of a sample may have together: a training sequence (TRAINING_MAX_LENGTH) holds it."""


class Search(Protocol):
    """The search that answers questions; `twin.retrieval.retriever.Retriever` is one."""

    def search(self, query: str, k: int, author: str | None = None) -> list[Passage]:
        """The `k` best passages, best first."""
        ...

    def joined(self, passages: Sequence[Passage], words: int) -> list[Passage]:
        """The passages with neighbours in the same document joined."""
        ...


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """How many passages the twin shows for a question, and which of those it finds."""

    top_k: int = 4
    min_relevance: float = 0.15
    min_similarity: float | None = None


class _Place(msgspec.Struct, frozen=True):
    """A passage that was found: its document, and its number there."""

    document_id: str
    ordinal: int | None


class Backwards:
    """Asks instructions of a search, remembering what came of each."""

    def __init__(self, search: Search, plan: Plan, *, cache: InstructionCache, shown: Shown, name: str) -> None:
        self._search = search
        self._plan = plan
        self._cache = cache
        self._shown = shown
        self._name = name
        self._states = {"train": _state(plan.learnable), "test": _state(plan.chunks)}
        self._held_out = HeldOutText(chunk.text for chunk in plan.held_out)

    def rank(self, instruction: str, chunk: Chunk) -> int | None:
        """Where the passage or a direct neighbour stands, from 1; None when it is not among the first ten."""
        key = self._key("places", instruction, chunk)
        known = self._cache.get(key)
        if known is None:
            found = self._search.search(instruction, DEPTH, chunk.author)
            places = [_Place(passage.document_id, passage.ordinal) for passage in found]
            known = msgspec.json.encode(places).decode()
            self._cache.put(key, known)
        return next(
            (
                rank
                for rank, place in enumerate(msgspec.json.decode(known, type=list[_Place]), 1)
                if _near(place, chunk)
            ),
            None,
        )

    def passages(self, instruction: str, chunk: Chunk) -> list[str]:
        """What the prompt of the instruction shows: what the twin would, always with the passage itself.

        A training sample is shown nothing of what is held out.
        """
        key = self._key("shown", instruction, chunk)
        known = self._cache.get(key)
        if known is None:
            known = msgspec.json.encode(self._fitting(self._found(instruction, chunk), chunk)).decode()
            self._cache.put(key, known)
        return msgspec.json.decode(known, type=list[str])

    def _found(self, instruction: str, chunk: Chunk) -> list[Passage]:
        shown = self._shown
        found = self._search.search(instruction, shown.top_k, chunk.author)
        own = [one for one in relevant(found, shown.min_relevance, shown.min_similarity) if one.author == chunk.author]
        if chunk.document_id not in self._plan.test_documents:
            own = [one for one in own if one.document_id not in self._plan.test_documents]
            joined = self._search.joined([one for one in own if not self._held_out.is_in(one.text)], PASSAGE_WORDS)
            return [one for one in joined if not self._held_out.is_in(one.text)]
        return self._search.joined(own, PASSAGE_WORDS)

    def _fitting(self, found: Sequence[Passage], chunk: Chunk) -> list[str]:
        """The texts that fit, the passage itself at its place among them; last where it was not found."""
        budget = min(PASSAGE_WORDS, SAMPLE_WORDS - len(self._plan.answers[chunk.id].split()))
        place = next((i for i, one in enumerate(found) if chunk.id in {one.chunk_id, *one.merged}), None)
        own = found[place].text if place is not None and len(found[place].text.split()) <= budget else chunk.text
        left = budget - len(own.split())
        texts: list[str] = []
        for index, one in enumerate(found):
            if index == place:
                texts.append(own)
            elif len(one.text.split()) <= left and chunk.text not in one.text:
                texts.append(one.text)
                left -= len(one.text.split())
        return texts if own in texts else [*texts, own]

    def _key(self, what: str, instruction: str, chunk: Chunk) -> str:
        split = "test" if chunk.document_id in self._plan.test_documents else "train"
        shown = msgspec.json.encode(self._shown).decode()
        return content_hash(what, VERSION, self._name, self._states[split], shown, chunk.id, instruction)


def _near(place: _Place, chunk: Chunk) -> bool:
    return (
        place.document_id == chunk.document_id and place.ordinal is not None and abs(place.ordinal - chunk.ordinal) <= 1
    )


def _state(chunks: Sequence[Chunk]) -> str:
    return content_hash(*(part for chunk in chunks for part in (chunk.id, chunk.embedding_text)))
