"""LlamaIndex with its own store: sentence splitter, index refreshed by document, vector retrieval."""

from __future__ import annotations

import sys
from pathlib import Path

from contest import DEPTH, Row, serve
from llama_index.core import Document, StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.core.node_parser import SentenceSplitter
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from transformers import AutoTokenizer

CHUNK_TOKENS = 240
"""The model reads 256; LlamaIndex's default of 1,024 would be cut off unseen."""
HIDDEN = ["title", "author"]


class LlamaIndexStack:
    """Re-ingest by `refresh_ref_docs`: only documents whose hash changed are split and embedded again."""

    def __init__(self, folder: Path, model: str) -> None:
        self._folder = folder
        self._model = model

    def load(self) -> None:
        self._embedding = HuggingFaceEmbedding(model_name=self._model, embed_batch_size=32)
        self._embedding.get_text_embedding("warm")
        tokenizer = AutoTokenizer.from_pretrained(self._model)
        self._splitter = SentenceSplitter(chunk_size=CHUNK_TOKENS, chunk_overlap=0, tokenizer=tokenizer.tokenize)
        self._index = None
        if (self._folder / "docstore.json").exists():
            storage = StorageContext.from_defaults(persist_dir=str(self._folder))
            self._take(load_index_from_storage(storage, embed_model=self._embedding))

    def ingest(self, rows: list[Row]) -> int:
        documents = [
            Document(
                doc_id=row["id"],
                text=row["content"],
                metadata={"title": row["title"], "author": row["author"]},
                excluded_embed_metadata_keys=HIDDEN,
                excluded_llm_metadata_keys=HIDDEN,
            )
            for row in rows
        ]
        if self._index is None:
            self._take(
                VectorStoreIndex.from_documents(
                    documents, embed_model=self._embedding, transformations=[self._splitter]
                )
            )
        else:
            self._index.refresh_ref_docs(documents)
        self._index.storage_context.persist(str(self._folder))
        return len(self._index.docstore.docs)

    def search(self, question: str) -> list[str]:
        return [found.node.ref_doc_id for found in self._retriever.retrieve(question)]

    def forget(self) -> None:
        """It remembers no questions."""

    def close(self) -> None:
        """Everything is persisted after each ingest."""

    def _take(self, index: VectorStoreIndex) -> None:
        self._index = index
        self._retriever = index.as_retriever(similarity_top_k=DEPTH)


if __name__ == "__main__":
    serve(LlamaIndexStack(Path(sys.argv[1]), sys.argv[2]))
