"""Passages, a search by shared words, and a writer by rule."""

from __future__ import annotations

import contextlib
import re
import threading
from typing import TYPE_CHECKING, Any

from twin.datasets import InstructDataset, InstructionCache, InstructionWriter, build
from twin.errors import ModelUnavailable
from twin.records import Chunk, Passage, chunk_id, document_id
from twin.serving.client import Completion
from twin.text.words import content_words

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from twin.datasets import Reader

SUBJECTS = (
    "bread", "boats", "clocks", "gardens", "letters", "maps", "rivers", "roofs", "shoes", "songs", "stairs", "stones",
    "tables", "towns", "trains",
)  # fmt: skip


def a_chunk(document: int, ordinal: int, *, text: str | None = None, author: str = "Ada") -> Chunk:
    subject = SUBJECTS[document % len(SUBJECTS)]
    identity = document_id(f"/{document}")
    body = " ".join(f"Of {subject} number {document} I noted remark{ordinal}x{index}." for index in range(10))
    return Chunk(
        id=chunk_id(identity, 1, ordinal),
        document_id=identity,
        revision=1,
        ordinal=ordinal,
        text=text or body,
        heading_path=[f"{subject.title()} of kind {ordinal}"],
        token_count=100,
        title=f"On {subject} {document}",
        url=f"https://example.org/{document}",
        author=author,
    )


CHUNKS = [a_chunk(document, ordinal) for document in range(10) for ordinal in range(4)]


class WordSearch:
    """Ranks passages by the words that they share with a question; counts how often it was asked."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self.asked: list[str] = []
        self._chunks = list(chunks)

    def search(self, query: str, k: int, author: str | None = None) -> list[Passage]:
        self.asked.append(query)
        wanted = content_words(query)
        scored = [
            (len(wanted & content_words(chunk.embedding_text)), chunk)
            for chunk in self._chunks
            if author in (None, chunk.author)
        ]
        best = sorted(scored, key=lambda one: (-one[0], one[1].id))[:k]
        return [passage_of(chunk, score) for score, chunk in best if score]

    def joined(self, passages: Sequence[Passage], words: int) -> list[Passage]:
        return list(passages)


def passage_of(chunk: Chunk, score: float = 1.0) -> Passage:
    return Passage(
        chunk_id=chunk.id,
        document_id=chunk.document_id,
        text=chunk.text,
        heading_path=chunk.heading_path,
        title=chunk.title,
        url=chunk.url,
        author=chunk.author,
        score=score,
        relevance=1.0,
        revision=chunk.revision,
        ordinal=chunk.ordinal,
    )


class RuleWriter:
    """Asks about its request's topic; counts how often it was asked and entered."""

    def __init__(self, *, fail_after: int | None = None) -> None:
        self.asked: list[str] = []
        self.entered = 0
        self._fail_after = fail_after
        self._lock = threading.Lock()

    def complete(self, messages: Sequence[dict[str, str]], **_: Any) -> Completion:
        request = messages[-1]["content"]
        with self._lock:
            if self._fail_after is not None and len(self.asked) >= self._fail_after:
                raise ModelUnavailable("The writer went away.")
            self.asked.append(request)
        topic = re.findall(r"about (.+) that this answers", request)[-1]
        text = f"1. What have you learned about {topic}?\n2. Why?\n3. Does {topic} matter to you?"
        return Completion(text=text, prompt_tokens=1, completion_tokens=1, finish_reason="stop", model="rules")

    @contextlib.contextmanager
    def running(self) -> Generator[RuleWriter]:
        self.entered += 1
        yield self


def make(
    chunks: Sequence[Chunk],
    folder: Path,
    writer: RuleWriter | None = None,
    *,
    cap: int = 20,
    search: WordSearch | None = None,
    reader: Reader | None = None,
    most_written: int = 100,
) -> InstructDataset:
    """A dataset of the chunks, with rules in the place of models."""
    cache = InstructionCache(folder / "cache")
    return build(
        chunks,
        search or WordSearch(chunks),
        InstructionWriter((writer or RuleWriter()).running(), name="rules", cache=cache, seed=42),
        cache=cache,
        reader=reader,
        cap=cap,
        most_written=most_written,
        test_share=0.3,
        seed=42,
    )
