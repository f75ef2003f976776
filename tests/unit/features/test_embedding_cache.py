"""The cache of vectors: what it spares, what it forgets, and what it survives."""

from __future__ import annotations

import hashlib
import resource
import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest

from twin.features import embedding_cache
from twin.features.embedding_cache import BATCH_TEXTS, DAY_SECONDS, LOCK_WAIT_SECONDS, EmbeddingCache

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TEXTS = [f"passage {number}" for number in range(300)]


class HashEmbedder:
    """An embedder whose vectors follow from a hash, and that remembers what it was asked for."""

    dimensions = 8
    max_tokens = 100

    def __init__(self, name: str = "hash") -> None:
        self.name = name
        self.embedded: list[str] = []

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def truncate(self, text: str) -> str:
        return text

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.embedded += texts
        return self.vectors(texts)

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        rows = [np.frombuffer(hashlib.sha256(f"{self.name}/{text}".encode()).digest(), np.uint32) for text in texts]
        vectors = np.array(rows).reshape(len(texts), self.dimensions).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if texts else vectors


@pytest.fixture
def embedder() -> HashEmbedder:
    return HashEmbedder()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "embeddings.sqlite"


@pytest.fixture
def cache(path: Path) -> EmbeddingCache:
    return EmbeddingCache(path, limit_mb=16)


def test_a_text_is_embedded_once_whoever_asks_again(cache: EmbeddingCache, path: Path, embedder: HashEmbedder):
    first = cache.embed(embedder, TEXTS)
    again = EmbeddingCache(path, limit_mb=16).embed(embedder, TEXTS[::-1])
    assert sorted(embedder.embedded) == sorted(TEXTS)
    assert np.array_equal(first, embedder.vectors(TEXTS))
    assert np.array_equal(again, first[::-1])


def test_a_text_that_occurs_twice_is_embedded_once(cache: EmbeddingCache, embedder: HashEmbedder):
    vectors = cache.embed(embedder, ["same", "other", "same"])
    assert sorted(embedder.embedded) == ["other", "same"]
    assert np.array_equal(vectors, embedder.vectors(["same", "other", "same"]))


def test_only_what_is_new_is_embedded(cache: EmbeddingCache, embedder: HashEmbedder):
    cache.embed(embedder, TEXTS[:10])
    embedder.embedded.clear()
    cache.embed(embedder, TEXTS[5:12])
    assert sorted(embedder.embedded) == sorted(TEXTS[10:12])


def test_another_model_has_vectors_of_its_own(cache: EmbeddingCache, embedder: HashEmbedder):
    other = HashEmbedder("other")
    cache.embed(embedder, ["text"])
    assert np.array_equal(cache.embed(other, ["text"]), other.vectors(["text"]))
    assert other.embedded == ["text"]


def test_model_and_text_do_not_run_together(cache: EmbeddingCache):
    first, second = HashEmbedder("a"), HashEmbedder("ab")
    cache.embed(first, ["bc"])
    cache.embed(second, ["c"])
    assert second.embedded == ["c"]


def test_no_texts_give_no_vectors(cache: EmbeddingCache, embedder: HashEmbedder):
    assert cache.embed(embedder, []).shape == (0, 8)


def test_the_file_holds_no_text(cache: EmbeddingCache, path: Path, embedder: HashEmbedder):
    cache.embed(embedder, ["a most private thought"])
    assert not any(b"private" in file.read_bytes() for file in path.parent.iterdir())


def test_what_was_embedded_before_a_failure_is_not_embedded_again(cache: EmbeddingCache):
    class Failing(HashEmbedder):
        def embed(self, texts: Sequence[str]) -> np.ndarray:
            if len(self.embedded) >= 2 * BATCH_TEXTS:
                raise MemoryError
            return super().embed(texts)

    failing, embedder = Failing(), HashEmbedder()
    with pytest.raises(MemoryError):
        cache.embed(failing, TEXTS)
    cache.embed(embedder, TEXTS)
    assert len(failing.embedded) == 2 * BATCH_TEXTS
    assert sorted(failing.embedded + embedder.embedded) == sorted(TEXTS)


def test_a_damaged_vector_is_computed_again(
    cache: EmbeddingCache, path: Path, embedder: HashEmbedder, caplog: pytest.LogCaptureFixture
):
    cache.embed(embedder, TEXTS[:3])
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE vectors SET vector = zeroblob(32) WHERE rowid = 2")
    embedder.embedded.clear()
    assert np.array_equal(cache.embed(embedder, TEXTS[:3]), embedder.vectors(TEXTS[:3]))
    assert len(embedder.embedded) == 1
    assert "damaged" in caplog.text
    embedder.embedded.clear()
    cache.embed(embedder, TEXTS[:3])
    assert embedder.embedded == []


@pytest.mark.parametrize(
    "content",
    [b"", b"not a database at all" * 400, b"SQLite format 3\x00" + b"\xff" * 8_000],
    ids=["empty", "text", "damaged header"],
)
def test_a_file_that_is_no_cache_is_replaced(cache: EmbeddingCache, path: Path, embedder: HashEmbedder, content: bytes):
    path.parent.mkdir()
    path.write_bytes(content)
    assert np.array_equal(cache.embed(embedder, TEXTS[:3]), embedder.vectors(TEXTS[:3]))
    assert cache.count() == 3


def test_a_file_damaged_in_its_middle_is_replaced_or_its_vectors_computed_again(
    cache: EmbeddingCache, path: Path, embedder: HashEmbedder
):
    cache.embed(embedder, TEXTS)
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    content[4096 : 4096 * 3] = bytes(byte ^ 0xA5 for byte in content[4096 : 4096 * 3])
    path.write_bytes(bytes(content))
    assert np.array_equal(cache.embed(embedder, TEXTS), embedder.vectors(TEXTS))
    assert np.array_equal(cache.embed(embedder, TEXTS), embedder.vectors(TEXTS))


def test_a_file_of_another_format_is_replaced(cache: EmbeddingCache, path: Path, embedder: HashEmbedder):
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as file:
        file.executescript("CREATE TABLE vectors (other TEXT); PRAGMA user_version = 99;")
    cache.embed(embedder, TEXTS[:3])
    assert cache.count() == 3


def test_a_place_that_cannot_be_written_is_no_reason_not_to_embed(tmp_path: Path, embedder: HashEmbedder):
    (tmp_path / "file").write_text("in the way")
    cache = EmbeddingCache(tmp_path / "file" / "embeddings.sqlite", limit_mb=16)
    assert np.array_equal(cache.embed(embedder, TEXTS[:3]), embedder.vectors(TEXTS[:3]))


def test_a_disk_without_room_is_not_waited_for(cache: EmbeddingCache, embedder: HashEmbedder):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        started = time.monotonic()
        vectors = cache.embed(embedder, TEXTS[:3])
        took = time.monotonic() - started
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert np.array_equal(vectors, embedder.vectors(TEXTS[:3]))
    assert took < LOCK_WAIT_SECONDS / 2


def test_the_vectors_asked_for_longest_ago_make_room(path: Path, embedder: HashEmbedder):
    now = 0.0
    cache = EmbeddingCache(path, limit_mb=1, clock=lambda: now)
    cache.embed(embedder, TEXTS)
    now += DAY_SECONDS
    kept = TEXTS[:50]
    cache.embed(embedder, kept)  # used again, a day later
    for day in range(40):
        now += DAY_SECONDS
        cache.embed(embedder, [f"day {day} passage {number}" for number in range(500)])
        cache.embed(embedder, kept)
    embedder.embedded.clear()
    cache.embed(embedder, kept)
    assert embedder.embedded == []
    cache.embed(embedder, TEXTS)
    assert len(embedder.embedded) == len(TEXTS) - len(kept)
    assert path.stat().st_size < 1_500_000


def test_a_smaller_limit_shrinks_the_file_even_when_nothing_new_is_embedded(path: Path, embedder: HashEmbedder):
    many = [f"passage {number}" for number in range(30_000)]
    EmbeddingCache(path, limit_mb=100).embed(embedder, many)
    before = path.stat().st_size
    assert before > 3_000_000
    EmbeddingCache(path, limit_mb=1).embed(embedder, many[-1:])
    assert path.stat().st_size < 1_100_000
    assert EmbeddingCache(path, limit_mb=1).count() > 4_000


def test_a_locked_file_is_waited_for_once_and_not_by_every_batch(
    path: Path, embedder: HashEmbedder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(embedding_cache, "LOCK_WAIT_SECONDS", 0.01)
    cache = EmbeddingCache(path, limit_mb=16)
    cache.embed(embedder, TEXTS[:3])
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        many = [f"other {number}" for number in range(5 * BATCH_TEXTS)]
        assert np.array_equal(cache.embed(embedder, many), embedder.vectors(many))
    assert [record.message for record in caplog.records if "is not used" in record.message] == [
        f"The cache of embeddings {path} is not used for 300 s: database is locked."
    ]
    assert cache.count() == 0, "it is still left alone"
    assert EmbeddingCache(path, limit_mb=16).count() == 3


def test_whoever_opens_a_new_file_at_the_same_moment_can_use_it(tmp_path: Path, embedder: HashEmbedder):
    for number in range(60):  # without a wait for the lock, about one in thirty left a cache alone for minutes
        file = tmp_path / f"{number}.sqlite"
        caches = [EmbeddingCache(file, limit_mb=16) for _ in range(4)]
        together = threading.Barrier(len(caches))

        def write(cache: EmbeddingCache, text: str, together: threading.Barrier = together) -> None:
            together.wait()
            cache.embed(embedder, [text])

        threads = [threading.Thread(target=write, args=(cache, f"text {n}")) for n, cache in enumerate(caches)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [cache.count() for cache in caches] == [len(caches)] * len(caches)


def test_threads_share_a_cache(cache: EmbeddingCache):
    wrong: list[str] = []

    def work(number: int) -> None:
        embedder, mine = HashEmbedder(), TEXTS[number * 30 : number * 30 + 120]
        if not np.array_equal(cache.embed(embedder, mine), embedder.vectors(mine)):
            wrong.append(f"thread {number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert cache.count() == 270
