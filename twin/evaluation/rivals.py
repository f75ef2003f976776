"""Each of the two rankings that search is made of, alone: what the hybrid must beat to be worth its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from twin.features.index import EVERYTHING, Filters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from twin.records import Passage

__all__ = ["BM25", "DENSE", "rivals"]

DENSE = "dense alone"
BM25 = "BM25 alone"
RANKED = 50


class _Embedder(Protocol):
    def embed(self, texts: Sequence[str]) -> np.ndarray: ...


class _Index(Protocol):
    def search(
        self, text: str, vector: np.ndarray, k: int, *, filters: Filters = EVERYTHING, depth: int | None = None
    ) -> list[Passage]: ...


def rivals(embedder: _Embedder, index: _Index, k: int) -> dict[str, Callable[[str, str | None], list[Passage]]]:
    """Searches that give the `k` best passages of a question and an author, by name."""

    def dense(text: str, author: str | None) -> list[Passage]:
        return index.search("", embedder.embed([text])[0], k, filters=Filters.of(author))

    def words(text: str, author: str | None) -> list[Passage]:
        vector, filters = embedder.embed([text])[0], Filters.of(author)
        both = index.search(text, vector, 2 * RANKED, filters=filters, depth=RANKED)
        found = [passage for passage in both if passage.bm25 is not None]
        return sorted(found, key=lambda passage: -(passage.bm25 or 0.0))[:k]

    return {DENSE: dense, BM25: words}
