"""Haystack with its Qdrant integration: splitter, sentence-transformers embedder, writer; dense retrieval."""

from __future__ import annotations

import sys
from pathlib import Path

from contest import CHUNK_WORDS, DEPTH, Row, serve
from haystack import Document, Pipeline
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.writers import DocumentWriter
from haystack.document_stores.types import DuplicatePolicy
from haystack_integrations.components.embedders.sentence_transformers import (
    SentenceTransformersDocumentEmbedder,
    SentenceTransformersTextEmbedder,
)
from haystack_integrations.components.retrievers.qdrant import QdrantEmbeddingRetriever
from haystack_integrations.document_stores.qdrant import QdrantDocumentStore

DIMENSIONS = 384


class HaystackStack:
    """It has no re-ingest of its own: what is written again is split and embedded again, and overwritten."""

    def __init__(self, folder: Path, model: str) -> None:
        self._store = QdrantDocumentStore(
            path=str(folder),
            embedding_dim=DIMENSIONS,
            progress_bar=False,
            force_disable_check_same_thread=True,
        )
        self._model = model

    def load(self) -> None:
        self._asking = Pipeline()
        self._asking.add_component("embedder", SentenceTransformersTextEmbedder(model=self._model, progress_bar=False))
        self._asking.add_component("retriever", QdrantEmbeddingRetriever(self._store, top_k=DEPTH))
        self._asking.connect("embedder.embedding", "retriever.query_embedding")
        self._asking.warm_up()

    def ingest(self, rows: list[Row]) -> int:
        writing = Pipeline()
        writing.add_component("splitter", DocumentSplitter(split_by="word", split_length=CHUNK_WORDS))
        writing.add_component("embedder", SentenceTransformersDocumentEmbedder(model=self._model, progress_bar=False))
        writing.add_component("writer", DocumentWriter(self._store, policy=DuplicatePolicy.OVERWRITE))
        writing.connect("splitter", "embedder")
        writing.connect("embedder", "writer")
        documents = [
            Document(id=row["id"], content=row["content"], meta={"title": row["title"], "author": row["author"]})
            for row in rows
        ]
        writing.run({"splitter": {"documents": documents}})
        return self._store.count_documents()

    def search(self, question: str) -> list[str]:
        answer = self._asking.run({"embedder": {"text": question}})
        return [document.meta["source_id"] for document in answer["retriever"]["documents"]]

    def forget(self) -> None:
        """It remembers no questions."""

    def close(self) -> None:
        """The store writes as it goes."""


if __name__ == "__main__":
    serve(HaystackStack(Path(sys.argv[1]), sys.argv[2]))
