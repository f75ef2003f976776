"""This project, all of it: warehouse (a real mongod), cleaning, chunks, embeddings, index; hybrid retrieval."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contest import DEPTH, Row, serve

from twin.artifacts import ArtifactStore
from twin.cleaning import refresh
from twin.features import embedding, pipeline
from twin.features.index import open_index, points
from twin.rag.retrieval import Retriever
from twin.records import Chunk, Document, Source, document_id
from twin.settings import EmbeddingSettings, QdrantSettings, read
from twin.warehouse import Warehouse, mongod

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = Source(kind="jsonl", location="/contest.jsonl")


class LlmTwinStack:
    """Every step does only what changed asks for; a question is embedded, searched, fused and reranked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened = contextlib.ExitStack()

    def load(self) -> None:
        self._embedder = embedding.load(read(EmbeddingSettings))
        self._embedder.embed(["warm"])
        self._index = open_index(read(QdrantSettings), self._folder / "index", dimensions=self._embedder.dimensions)
        self._retriever = Retriever(lambda: self._embedder, lambda: self._index)
        self._store = ArtifactStore(str(self._folder / "artifacts"))

    def start_warehouse(self) -> None:
        """The other contestants have none; starting it is not part of bringing documents in."""
        self._folder.mkdir(parents=True, exist_ok=True)
        server = self._opened.enter_context(mongod.start(self._folder / "mongod"))
        self._warehouse = self._opened.enter_context(Warehouse(server.uri, "contest"))
        self._warehouse.ping()

    def ingest(self, rows: list[Row]) -> int:
        self._warehouse.observe(SOURCE, map(_document, rows), complete=True)
        refresh.refresh(self._warehouse)
        pipeline.chunk(self._warehouse, self._store, self._embedder)
        pipeline.embed(self._store, self._embedder)
        return pipeline.publish(self._store, self._index, self._embedder).total

    def search(self, question: str) -> list[str]:
        return [passage.document_id for passage in self._retriever.search(question, DEPTH)]

    def forget(self) -> None:
        if "_embedder" in self.__dict__:
            self._embedder._known_questions.clear()

    def close(self) -> None:
        self._opened.close()

    def bare_embedding(self) -> dict[str, float]:
        """Seconds to embed the very passages of the first ingest, and nothing else."""
        texts = [chunk.embedding_text for chunk in self._store.dataset("chunks", Chunk).rows()]
        started = time.perf_counter()
        self._embedder.embed(texts)
        return {"passages": len(texts), "seconds": time.perf_counter() - started}

    def embed_only(self, questions: list[str]) -> list[float]:
        """Milliseconds to embed each question, which every stack must."""
        return _milliseconds(lambda question: self._embedder.embed([question]), questions)

    def engine_only(self, questions: list[str]) -> list[float]:
        """Milliseconds of Qdrant's own hybrid query for each question, without this project's code around it."""
        requests = [
            (_hybrid_request(question, vector))
            for question, vector in zip(questions, self._vectors(questions), strict=True)
        ]
        shard = self._index._live.get().shard  # the engine alone, without this project's code around it
        return _milliseconds(shard.query, requests)

    def _vectors(self, questions: list[str]) -> list[Any]:
        return [self._embedder.embed([question])[0] for question in questions]


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
