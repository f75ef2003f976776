"""Vectors by what they were computed from: the same text is never embedded twice by the same model.

One SQLite file. The key is the sha256 of the model's name and the text, so it holds no text. Every batch is committed
as soon as it is embedded: work that is killed goes on from there. Each vector has a checksum, and a file that cannot
be read is replaced; the cache is never the reason for a failure. Beyond its limit, the vectors that were asked for
longest ago make room. Questions do not come here: they are private, and short.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from twin.features.embedding import Embedder

__all__ = ["EmbeddingCache"]

logger = logging.getLogger(__name__)

FORMAT = 1
"""Of the file; another one's file is replaced."""
BATCH_TEXTS = 128
"""Texts embedded between two commits: what a kill can cost. A commit takes a few milliseconds, a batch a second."""
ASKED_AT_ONCE = 500
FULL_TO = 0.9
"""Share of the limit that stays when room is made."""
CHECKSUM_BYTES = 8
PAGE_BYTES = 8_192
"""Five vectors of 384 numbers fill one; of SQLite's usual 4 kB, two would leave a fifth empty."""
DAY_SECONDS = 86_400
LOCK_WAIT_SECONDS = 5.0
LOCK_POLL_SECONDS = 0.01
RETRY_SECONDS = 300.0
"""A file that is locked that long, or cannot be written, is left alone for so long; a wait each batch would add up."""
SHRINK_BEYOND = 1.1
"""Times the limit: a larger file is written anew without its empty pages, as after EMBEDDING_CACHE_MB was lowered."""

SCHEMA = f"""
CREATE TABLE vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL, checksum BLOB NOT NULL, used INTEGER NOT NULL);
CREATE INDEX vectors_by_use ON vectors (used);
PRAGMA user_version = {FORMAT};
"""


class EmbeddingCache:
    """A file of vectors. Safe to share between threads and processes.

    Args:
        path: The file; made on first use.
        limit_mb: Its size, at most (one batch over).
        clock: Seconds since the epoch; use is noted by day.
    """

    def __init__(self, path: Path, *, limit_mb: int, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._limit_bytes = limit_mb * 1_000_000
        self._clock = clock
        self._left_alone_until = float("-inf")
        self._fits = False

    def embed(self, embedder: Embedder, texts: Sequence[str]) -> np.ndarray:
        """What `embedder.embed(texts)` gives; only texts that are new to the model, each once, are embedded for it."""
        if not self._fits:
            self._attempt(self._make_room, otherwise=None)
            self._fits = True
        keys = [_key(embedder.name, text) for text in texts]
        known = self._read(keys, embedder.dimensions)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        todo = sorted(missing, key=lambda key: len(missing[key]))  # alike lengths in one batch
        for start in range(0, len(todo), BATCH_TEXTS):
            batch = todo[start : start + BATCH_TEXTS]
            vectors = embedder.embed([missing[key] for key in batch])
            known.update(zip(batch, vectors, strict=True))
            self._write(batch, vectors)
        if not keys:
            return np.empty((0, embedder.dimensions), dtype=np.float32)
        return np.stack([known[key] for key in keys])

    def count(self) -> int:
        """Vectors in the file."""
        return self._attempt(lambda file: file.execute("SELECT count(*) FROM vectors").fetchone()[0], otherwise=0)

    def _read(self, keys: Sequence[bytes], dimensions: int) -> dict[bytes, np.ndarray]:
        return self._attempt(lambda file: dict(self._found(file, keys, dimensions)), otherwise={})

    def _found(
        self, file: sqlite3.Connection, keys: Sequence[bytes], dimensions: int
    ) -> Iterator[tuple[bytes, np.ndarray]]:
        today = int(self._clock()) // DAY_SECONDS
        for start in range(0, len(keys), ASKED_AT_ONCE):
            asked = keys[start : start + ASKED_AT_ONCE]
            marks = ",".join("?" * len(asked))
            rows = file.execute(f"SELECT key, vector, checksum, used FROM vectors WHERE key IN ({marks})", asked)  # noqa: S608
            stale = []
            for key, vector, checksum, used in rows:
                if _checksum(key, vector) != checksum or len(vector) != 4 * dimensions:
                    logger.warning("A damaged vector in %s is computed again.", self.path)
                    continue
                if used != today:
                    stale.append((today, key))
                yield key, np.frombuffer(vector, dtype="<f4")
            with file:
                file.executemany("UPDATE vectors SET used = ? WHERE key = ?", stale)

    def _write(self, keys: Sequence[bytes], vectors: np.ndarray) -> None:
        today = int(self._clock()) // DAY_SECONDS
        blobs = [np.ascontiguousarray(vector, dtype="<f4").tobytes() for vector in vectors]
        rows = [(key, blob, _checksum(key, blob), today) for key, blob in zip(keys, blobs, strict=True)]

        def insert(file: sqlite3.Connection) -> None:
            with file:
                file.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)", rows)
            self._make_room(file)

        self._attempt(insert, otherwise=None)

    def _make_room(self, file: sqlite3.Connection) -> None:
        size, pages, free = (
            file.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count", "freelist_count")
        )
        used = size * (pages - free)
        if used > self._limit_bytes:
            self._forget(file, used)
        if size * pages > SHRINK_BEYOND * self._limit_bytes:
            with contextlib.suppress(sqlite3.OperationalError):  # another process reads: a later batch shrinks it
                file.execute("VACUUM")

    def _forget(self, file: sqlite3.Connection, used: int) -> None:
        count = file.execute("SELECT count(*) FROM vectors").fetchone()[0]
        surplus = count - int(count * FULL_TO * self._limit_bytes / used)
        with file:
            file.execute(
                "DELETE FROM vectors WHERE rowid IN (SELECT rowid FROM vectors ORDER BY used, rowid LIMIT ?)",
                (surplus,),
            )

    def _attempt(self, work: Callable[[sqlite3.Connection], Any], *, otherwise: Any) -> Any:
        """Does the work on the file; on a new one, if the file cannot be read; not at all, if no file can be had."""
        if time.monotonic() < self._left_alone_until:
            return otherwise
        for last_try in (False, True):
            try:
                with contextlib.closing(self._open()) as file:
                    return work(file)
            except sqlite3.OperationalError as error:  # locked, read-only, disk full
                self._left_alone_until = time.monotonic() + RETRY_SECONDS
                logger.warning(
                    "The cache of embeddings %s is not used for %.0f s: %s.", self.path, RETRY_SECONDS, error
                )
                return otherwise
            except (sqlite3.DatabaseError, OSError) as error:
                logger.warning("The cache of embeddings %s cannot be read and is made anew: %s.", self.path, error)
                if last_try or not self._discard():
                    return otherwise
        return otherwise

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = sqlite3.connect(self.path, timeout=LOCK_WAIT_SECONDS)
        try:
            file.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            _use_write_ahead_log(file)
            file.execute("PRAGMA synchronous = NORMAL")
            self._ensure_schema(file)
        except BaseException:
            file.close()
            raise
        return file

    def _ensure_schema(self, file: sqlite3.Connection) -> None:
        # One statement sees one state: between two, another process may make the table.
        version, tables = file.execute(
            "SELECT user_version, (SELECT count(*) FROM sqlite_schema) FROM pragma_user_version"
        ).fetchone()
        if version == FORMAT:
            return
        if version or tables:
            raise sqlite3.DatabaseError(f"it has format {version}")
        with contextlib.suppress(sqlite3.OperationalError):  # another process makes it at the same moment
            file.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
        if file.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
            raise sqlite3.OperationalError("its table cannot be made")

    def _discard(self) -> bool:
        try:
            for suffix in ("", "-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        except OSError as error:
            logger.warning("The cache of embeddings %s cannot be removed: %s.", self.path, error)
            return False
        return True


def _use_write_ahead_log(file: sqlite3.Connection) -> None:
    """Changes a new file's journal.

    SQLite does not wait for a lock here, as it does elsewhere: of two that open a new file, one would find it locked.
    """
    until = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        try:
            file.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(LOCK_POLL_SECONDS)
        else:
            return


def _key(model: str, text: str) -> bytes:
    """Of a model and a text, as one word is of another: no two pairs run together the same way."""
    digest = hashlib.sha256(len(model.encode()).to_bytes(4, "big") + model.encode())
    digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.digest()


def _checksum(key: bytes, vector: bytes) -> bytes:
    return hashlib.blake2b(key + vector, digest_size=CHECKSUM_BYTES).digest()
