"""XQuAD among the articles of the LLM Engineer's Handbook: one index, the questions, and which half each belongs to.

The handbook's articles are distractors: no question is about them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from support import is_reported
from twin import cleaning
from twin.features import chunking
from twin.features.index.edge import EdgeIndex
from twin.records import Chunk, Document, document_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from twin.features.embedding import Embedder
    from twin.records import CleanedDocument

__all__ = ["Asked", "Laboratory", "build", "documents_of", "index_of", "present"]


class Asked(NamedTuple):
    """A question of XQuAD."""

    text: str
    document: str
    """Id of the paragraph that answers it."""
    article: tuple[str, ...]
    """Ids of all paragraphs of the same article."""
    reported: bool
    """For reporting; the others are for tuning."""


class Laboratory(NamedTuple):
    """An index with what it is asked."""

    index: EdgeIndex
    embedder: Embedder
    questions: list[Asked]
    vectors: dict[str, np.ndarray]
    """Of the questions."""
    chunks: list[Chunk]


def present(corpora: Path) -> bool:
    """Whether both corpora are there."""
    return (corpora / "xquad-en").is_dir() and (corpora / "llm-engineers-handbook").is_dir()


def build(corpora: Path, folder: Path, embedder: Embedder) -> Laboratory:
    """Ingests both corpora into an index in `folder`."""
    paragraphs = _rows(corpora / "xquad-en" / "documents.jsonl")
    rows = [*paragraphs, *_rows(corpora / "llm-engineers-handbook" / "articles.jsonl")]
    index, chunks = index_of(documents_of(rows), folder, embedder)
    ids = {row["id"]: document_id(row["url"]) for row in paragraphs}
    articles: dict[str, list[str]] = {}
    for row in paragraphs:
        articles.setdefault(row["title"], []).append(ids[row["id"]])
    titles = {row["id"]: row["title"] for row in paragraphs}
    questions = [
        Asked(
            text=row["question"],
            document=ids[row["document"]],
            article=tuple(articles[titles[row["document"]]]),
            reported=is_reported(row["document"]),
        )
        for row in _rows(corpora / "xquad-en" / "questions.jsonl")
    ]
    vectors = {asked.text: embedder.embed([asked.text])[0] for asked in questions}
    return Laboratory(index, embedder, questions, vectors, chunks)


def documents_of(rows: Sequence[dict[str, Any]]) -> Iterator[CleanedDocument]:
    """The rows of a corpus as cleaned documents."""
    for row in rows:
        yield cleaning.clean(
            Document(
                id=document_id(row["url"]),
                url=row["url"],
                source_id="benchmark",
                author=row["author"],
                title=row["title"],
                content=row["content"],
            )
        )


def index_of(documents: Iterator[CleanedDocument], folder: Path, embedder: Embedder) -> tuple[EdgeIndex, list[Chunk]]:
    """The documents, chunked, embedded and published to an index in `folder`."""
    chunks = [chunk for document in documents for chunk in chunking.split(document, embedder)]
    vectors = _embedded([chunk.embedding_text for chunk in chunks], embedder)
    points = {chunk.id: (chunk, vector) for chunk, vector in zip(chunks, vectors, strict=True)}
    index = EdgeIndex(folder, dimensions=embedder.dimensions)
    index.publish(dict.fromkeys(points, "1"), lambda keys: [points[key] for key in keys], schema="benchmark")
    return index, chunks


def _embedded(texts: list[str], embedder: Embedder) -> np.ndarray:
    return np.vstack([embedder.embed(texts[start : start + 256]) for start in range(0, len(texts), 256)])


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
