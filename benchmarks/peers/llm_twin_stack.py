"""This project, all of it: warehouse (a real mongod), cleaning, chunks, embeddings, index; hybrid retrieval."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contest import DEPTH, Row, serve

from twin.artifacts import ArtifactStore
from twin.cleaning import refresh
from twin.features import embedding, pipeline
from twin.features.embedding_cache import EmbeddingCache
from twin.features.index import open_index, points
from twin.records import Chunk, Document, Source, document_id
from twin.retrieval.retriever import Retriever
from twin.settings import EmbeddingSettings, QdrantSettings, read
from twin.warehouse import Warehouse, mongod

if TYPE_CHECKING:
    from collections.abc import Callable

    from twin.features.embedding import SentenceEmbedder

CACHE_MB = 512
"""The default."""
SAMPLE = Row(
    id="sample",
    url="https://example.com/sample",
    title="A sample",
    author="Nobody",
    content="A sentence, an address@example.com and a token=abc. " * 20,
)
SOURCE = Source(kind="jsonl", location="/contest.jsonl")


class _Places:
    """Where artifacts, vectors and the index are, under one folder."""

    def __init__(self, folder: Path, embedder: SentenceEmbedder) -> None:
        self.store = ArtifactStore(str(folder / "artifacts"))
        self.cache = EmbeddingCache(folder / "embeddings.sqlite", limit_mb=CACHE_MB)
        self.index: Any = open_index(read(QdrantSettings), folder / "index", dimensions=embedder.dimensions)


class LlmTwinStack:
    """Every step does only what changed asks for; a question is embedded, searched, fused and reranked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened = contextlib.ExitStack()

    def load(self) -> None:
        self._embedder = embedding.load(read(EmbeddingSettings))
        self._embedder.embed(["warm"])
        self._places = _Places(self._folder, self._embedder)
        self._retriever = Retriever(lambda: self._embedder, lambda: self._places.index)

    def prepare(self) -> None:
        """Starts the warehouse, which the others have none of, and takes a sample through every step, elsewhere.

        What is imported and loaded on the way is not part of bringing documents in; the others load theirs in `load`.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        server = self._opened.enter_context(mongod.start(self._folder / "mongod"))
        self._warehouse = self._opened.enter_context(Warehouse(server.uri, "contest"))
        self._warehouse.ping()
        with Warehouse(server.uri, "sample") as warehouse, tempfile.TemporaryDirectory() as folder:
            self._bring_in([SAMPLE], warehouse, _Places(Path(folder), self._embedder))

    def ingest(self, rows: list[Row]) -> int:
        return self._bring_in(rows, self._warehouse, self._places)

    def _bring_in(self, rows: list[Row], warehouse: Warehouse, places: _Places) -> int:
        warehouse.documents.observe(SOURCE, map(_document, rows), complete=True)
        refresh.refresh(warehouse)
        pipeline.chunk(warehouse, places.store, self._embedder, places.cache)
        pipeline.embed(places.store, self._embedder, places.cache)
        return pipeline.publish(places.store, places.index, self._embedder).total

    def search(self, question: str) -> list[str]:
        return [passage.document_id for passage in self._retriever.search(question, DEPTH)]

    def forget(self) -> None:
        if "_embedder" in self.__dict__:
            self._embedder._known_questions.clear()

    def close(self) -> None:
        self._opened.close()

    def bare_embedding(self) -> float:
        """Seconds to embed the very passages that were ingested, and nothing else."""
        texts = [chunk.embedding_text for chunk in self._places.store.dataset("chunks", Chunk).rows()]
        started = time.perf_counter()
        self._embedder.embed(texts)
        return time.perf_counter() - started

    def embed_only(self, questions: list[str]) -> list[float]:
        """Milliseconds to embed each question, which every stack must."""
        return _milliseconds(lambda question: self._embedder.embed([question]), questions)

    def engine_only(self, questions: list[str]) -> list[float]:
        """Milliseconds of Qdrant's own hybrid query for each question, without this project's code around it."""
        requests = [_hybrid_request(question, self._embedder.embed([question])[0]) for question in questions]
        return _milliseconds(self._engine.query, requests)

    def floor_only(self, questions: list[str]) -> list[float]:
        """Milliseconds of both, one after the other for each question: what no stack over this engine can go below.

        More than their sum: each finds the processor's caches as the other left them.
        """
        return _milliseconds(
            lambda question: self._engine.query(_hybrid_request(question, self._embedder.embed([question])[0])),
            questions,
        )

    @property
    def _engine(self) -> Any:
        """The engine alone, without this project's code around it."""
        return self._places.index._live.get().shard


def _document(row: Row) -> Document:
    return Document(
        id=document_id(row["url"]),
        url=row["url"],
        source_id=SOURCE.id,
        author=row["author"],
        title=row["title"],
        content=row["content"],
    )


def _hybrid_request(question: str, vector: Any) -> Any:
    from qdrant_edge import Fusion, Prefetch, Query, QueryRequest

    rankings = [Query.Nearest(vector.tolist(), using=points.DENSE)]
    words = points.bm25().embed_query(question)
    if words.indices:
        rankings.append(Query.Nearest(words, using=points.SPARSE))
    prefetches = [Prefetch(limit=points.candidates(DEPTH), query=ranking) for ranking in rankings]
    fusion: Any = Fusion.Rrf(k=points.RRF_K)
    return QueryRequest(limit=DEPTH, query=fusion, prefetches=prefetches, with_payload=True)


def _milliseconds(operation: Callable[[Any], object], inputs: list[Any]) -> list[float]:
    times = []
    for value in inputs:
        started = time.perf_counter()
        operation(value)
        times.append((time.perf_counter() - started) * 1e3)
    return times


if __name__ == "__main__":
    serve(LlmTwinStack(Path(sys.argv[1])))
