"""Made-up passages, as many as are asked for, for measuring the index at scale."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import perf_counter, process_time
from typing import TYPE_CHECKING

import numpy as np

from twin.records import Chunk, chunk_id, document_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["DIMENSIONS", "Corpus", "Question", "document_of"]

DIMENSIONS = 384
PER_DOCUMENT = 10
CLUSTERS = 500
WORDS = 60_000
Question = tuple[str, np.ndarray]


class Corpus:
    """Passages that follow from their number and the round in which they were last changed."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.seconds = self.cpu_seconds = 0.0
        """Spent on making passages up."""
        self._centres = np.random.default_rng(1).normal(size=(CLUSTERS, DIMENSIONS)).astype(np.float32)
        self._frequencies = np.cumsum(1 / np.arange(2, WORDS + 2))
        self._frequencies /= self._frequencies[-1]
        self._ids = [chunk_id(document_of(n), 1, n % PER_DOCUMENT) for n in range(size)]
        self._numbers = {identity: n for n, identity in enumerate(self._ids)}
        self._marks = dict.fromkeys(self._ids, "0")

    @property
    def wanted(self) -> dict[str, str]:
        return dict(self._marks)

    def change(self, share: float, mark: int) -> None:
        for identity in self._ids[mark % int(1 / share) :: int(1 / share)]:
            self._marks[identity] = str(mark)

    def adopt(self, marks: dict[str, str]) -> int:
        """Goes on from what is published; returns the last round of changes."""
        self._marks = marks
        return max(int(mark) for mark in set(marks.values()))

    def load(self, identities: Sequence[str]) -> Iterator[tuple[Chunk, np.ndarray]]:
        for identity in identities:
            started, cpu = perf_counter(), process_time()
            made = self._made(self._numbers[identity], int(self._marks[identity]))
            self.seconds += perf_counter() - started
            self.cpu_seconds += process_time() - cpu
            yield made

    def question(self, random: np.random.Generator) -> Question:
        return self._text(random, 9), self._vector(random, int(random.integers(CLUSTERS)))

    def _made(self, number: int, mark: int) -> tuple[Chunk, np.ndarray]:
        random, document = np.random.default_rng((number, mark)), number // PER_DOCUMENT
        chunk = Chunk(
            id=self._ids[number],
            document_id=document_of(number),
            revision=1,
            ordinal=number % PER_DOCUMENT,
            text=self._text(random, 120),
            token_count=180,
            title=f"Document {document}",
            url=url_of(number),
            author=f"Author {document % 10}",
            kind=("article", "post", "repository")[document % 3],
            platform=f"p{document % 4}.example",
            published_at=datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=document % 40_000),
            language="en",
        )
        return chunk, self._vector(random, number % CLUSTERS)

    def _text(self, random: np.random.Generator, words: int) -> str:
        return " ".join(f"w{rank}" for rank in np.searchsorted(self._frequencies, random.random(words)))

    def _vector(self, random: np.random.Generator, cluster: int) -> np.ndarray:
        vector = self._centres[cluster] + 0.7 * random.normal(size=DIMENSIONS)
        return (vector / np.linalg.norm(vector)).astype(np.float32)


def url_of(number: int) -> str:
    return f"https://made.example/{number // PER_DOCUMENT}"


def document_of(number: int) -> str:
    return document_id(url_of(number))
