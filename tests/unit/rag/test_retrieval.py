"""What counts as relevant, and whose passages answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twin.features.index import EVERYTHING, Filters
from twin.rag.retrieval import Retriever, best_author, relevant
from twin.records import Passage

if TYPE_CHECKING:
    from collections.abc import Sequence


def passage(name: str, similarity: float | None, *, author: str = "Ada", score: float = 1.0) -> Passage:
    return Passage(
        chunk_id=name,
        document_id="d",
        text=name,
        heading_path=[],
        title="T",
        url="u",
        author=author,
        score=score,
        similarity=similarity,
    )


def test_nothing_is_relevant_when_no_passage_is_close_enough() -> None:
    assert relevant([passage("a", 0.24), passage("b", None)], 0.25) == []


def test_the_distant_go_and_those_found_by_words_alone_stay_in_order() -> None:
    close, words, far = passage("a", 0.25), passage("b", None), passage("c", 0.1)
    assert relevant([words, close, far], 0.25) == [words, close]


def test_the_author_of_the_best_passages_answers() -> None:
    passages = [passage("a", 0.5, score=0.5), passage("b", 0.4, author="Bob", score=0.3)]
    assert best_author([*passages, passage("c", 0.4, author="Bob", score=0.3)]) == "Bob"
    assert best_author(passages) == "Ada"


def test_a_search_asks_the_index_with_all_words_and_the_vector_of_those_that_fit() -> None:
    class Embedder:
        def embed(self, texts: Sequence[str]) -> np.ndarray:
            return np.array([[float(len(text)), 0.0] for text in texts], dtype=np.float32)

        def truncate(self, text: str) -> str:
            return text[:4]

    class Index:
        def search(self, text: str, vector: np.ndarray, k: int, *, filters: Filters = EVERYTHING) -> list[Passage]:
            return [passage(f"{text} {vector.tolist()} {k}", 0.5, author=next(iter(filters.authors), "anyone"))]

        def generation(self) -> str | None:
            return "g1"

    retriever = Retriever(Embedder, Index)
    assert retriever.search("more than four", 3, "Ada") == [passage("more than four [4.0, 0.0] 3", 0.5)]
    assert retriever.generation() == "g1"
