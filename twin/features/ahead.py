"""Embedding what has been cut, while the next documents are being cut.

Cutting runs in Python, on one core; embedding does not. Vectors made ahead go to the cache alone, where the embedding
step finds them: it stays the step that makes the vectors of the dataset, and works without any of this.
"""

from __future__ import annotations

import logging
import threading
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from twin.features.embedding import Embedder
    from twin.features.embedding_cache import EmbeddingCache

__all__ = ["Ahead"]

logger = logging.getLogger(__name__)

BATCH_TEXTS = 32
"""Texts embedded at a time; whoever ends the block waits for one such batch."""
BACKLOG_TEXTS = 4_096
"""Texts that may wait. Cutting is many times as fast as embedding, and memory is to stay flat."""


class Ahead:
    """Embeds what it is offered, in a thread of its own, for as long as its block lasts. What is left then, is left."""

    def __init__(self, embedder: Embedder, cache: EmbeddingCache) -> None:
        self._embedder = embedder
        self._cache = cache
        self._offered: list[str] = []
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="embedding-ahead", daemon=True)

    def offer(self, texts: Iterable[str]) -> None:
        """Texts that may be embedded ahead; not those for which there is no room."""
        with self._changed:
            self._offered += islice(texts, max(BACKLOG_TEXTS - len(self._offered), 0))
            self._changed.notify()

    def __enter__(self) -> Ahead:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._next():
            try:
                self._cache.embed(self._embedder, batch)
            except Exception as error:  # noqa: BLE001 - the embedding step meets it too, and is the one to tell
                logger.info("Not embedding ahead: %s", error)
                return

    def _next(self) -> list[str]:
        """A batch, as soon as there is a full one; empty when the block has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or len(self._offered) >= BATCH_TEXTS)
            if self._ended:
                return []
            batch, self._offered = self._offered[:BATCH_TEXTS], self._offered[BATCH_TEXTS:]
            return batch
