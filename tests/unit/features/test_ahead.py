"""Embedding ahead: into the cache, never in the way."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from twin.features.ahead import BACKLOG_TEXTS, BATCH_TEXTS, Ahead
from twin.features.embedding_cache import EmbeddingCache

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Counting:
    """An embedder that gives every text the same vector."""

    name, dimensions, max_tokens = "counting", 4, 100

    def __init__(self, error: Exception | None = None) -> None:
        self.embedded: list[str] = []
        self._error = error

    def count_tokens(self, text: str) -> int:
        return len(text)

    def truncate(self, text: str) -> str:
        return text

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        if self._error:
            raise self._error
        self.embedded += texts
        return np.full((len(texts), self.dimensions), 0.5, dtype=np.float32)


@pytest.fixture
def cache(tmp_path: Path) -> EmbeddingCache:
    return EmbeddingCache(tmp_path / "embeddings.sqlite", limit_mb=16)


TEXTS = [f"text {number}" for number in range(3 * BATCH_TEXTS)]


def wait_for_vectors(cache: EmbeddingCache, count: int) -> None:
    until = time.monotonic() + 20
    while cache.count() < count:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_full_batches_are_in_the_cache_before_anybody_asks(cache: EmbeddingCache):
    embedder = Counting()
    with Ahead(embedder, cache) as ahead:
        ahead.offer(TEXTS)
        wait_for_vectors(cache, len(TEXTS))
    embedder.embedded.clear()
    cache.embed(embedder, TEXTS)
    assert embedder.embedded == []


def test_what_is_left_at_the_end_is_left(cache: EmbeddingCache):
    embedder = Counting()
    with Ahead(embedder, cache) as ahead:
        ahead.offer(TEXTS[: BATCH_TEXTS - 1])
    assert embedder.embedded == []


def test_an_embedder_that_fails_does_not_fail_the_cutting(cache: EmbeddingCache):
    with Ahead(Counting(ValueError("too long")), cache) as ahead:
        ahead.offer(TEXTS)
        ahead.offer(TEXTS)
    assert cache.count() == 0


def test_a_failure_of_the_cutting_ends_the_thread(cache: EmbeddingCache):
    ahead = Ahead(Counting(), cache)
    with pytest.raises(RuntimeError), ahead:
        raise RuntimeError
    assert not ahead._thread.is_alive()


def test_no_more_texts_wait_than_there_is_room_for(cache: EmbeddingCache):
    ahead = Ahead(Counting(), cache)  # not started: nothing is taken
    for _ in range(3):
        ahead.offer(str(number) for number in range(BACKLOG_TEXTS - 10))
    assert len(ahead._offered) == BACKLOG_TEXTS
