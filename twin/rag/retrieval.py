"""From a question to passages, and the decision that none of them is about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from twin.features.index import EVERYTHING, Filters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from twin.records import Passage

__all__ = ["Retriever", "Searchable", "TextEmbedder", "best_author", "relevant"]


class TextEmbedder(Protocol):
    """What retrieval needs of an embedder."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors, float32, one row per text."""
        ...

    def truncate(self, text: str) -> str:
        """The longest beginning of a text that the model takes whole."""
        ...


class Searchable(Protocol):
    """What retrieval needs of a vector index."""

    def search(self, text: str, vector: np.ndarray, k: int, *, filters: Filters = EVERYTHING) -> list[Passage]:
        """The `k` best passages, best first."""
        ...

    def generation(self) -> str | None:
        """The name of the published generation that is searched."""
        ...


class Retriever:
    """Hybrid search: the question's words and its vector, fused by the index. Blocking; safe to share.

    The embedder and the index are asked for when they are needed, because making one may fail or take a while.
    """

    def __init__(self, embedder: Callable[[], TextEmbedder], index: Callable[[], Searchable]) -> None:
        self._embedder = embedder
        self._index = index

    def search(self, query: str, k: int, author: str | None = None) -> list[Passage]:
        """The `k` passages that fit `query` best, best first; of one author where one is named.

        All words of a long query are searched; its vector is that of what the embedding model takes.

        Raises:
            IndexUnavailable: The index does not answer, or nothing has been published to it.
        """
        embedder = self._embedder()
        vector = embedder.embed([embedder.truncate(query)])[0]
        return self._index().search(query, vector, k, filters=Filters.of(author))

    def generation(self) -> str | None:
        """The index generation that is searched now; None when nothing has been published."""
        return self._index().generation()

    def warm(self) -> None:
        """Loads the embedding model, which the first question would otherwise wait for."""
        self._embedder().embed(["warm"])


def relevant(passages: Sequence[Passage], min_similarity: float) -> list[Passage]:
    """The passages worth showing; empty when nothing is relevant.

    At least one passage must be `min_similarity` close to the question (cosine). Then passages known to be further away
    are left out, while those that only the words found, whose similarity is unknown, stay.
    """
    if not any(passage.similarity is not None and passage.similarity >= min_similarity for passage in passages):
        return []
    return [passage for passage in passages if passage.similarity is None or passage.similarity >= min_similarity]


def best_author(passages: Sequence[Passage]) -> str:
    """The author whose passages together score highest; the one ranked first among equals.

    Raises:
        ValueError: There is no passage.
    """
    totals: dict[str, float] = {}
    for passage in passages:
        totals[passage.author] = totals.get(passage.author, 0.0) + passage.score
    return max(totals, key=lambda author: totals[author])
