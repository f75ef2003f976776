"""LangChain with a store in memory or on disk by Qdrant: recursive splitter, `index()` with a record manager."""

from __future__ import annotations

import sys
from pathlib import Path

from contest import DEPTH, Row, serve
from langchain_classic.indexes import SQLRecordManager
from langchain_core.documents import Document
from langchain_core.indexing import index
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_huggingface import HuggingFaceEmbeddings
from langchain_text_splitters import RecursiveCharacterTextSplitter
from transformers import AutoTokenizer

CHUNK_TOKENS = 240


class LangChainStack:
    """Re-ingest through the indexing API: passages whose hash is recorded are neither embedded nor written again."""

    def __init__(self, folder: Path, model: str) -> None:
        self._folder = folder
        self._model = model

    def load(self) -> None:
        self._embeddings = HuggingFaceEmbeddings(model_name=self._model)
        self._embeddings.embed_query("warm")
        self._splitter = RecursiveCharacterTextSplitter.from_huggingface_tokenizer(
            AutoTokenizer.from_pretrained(self._model), chunk_size=CHUNK_TOKENS, chunk_overlap=0
        )
        self._file = self._folder / "store.json"
        self._store = (
            InMemoryVectorStore.load(str(self._file), self._embeddings)
            if self._file.exists()
            else InMemoryVectorStore(self._embeddings)
        )
        self._folder.mkdir(parents=True, exist_ok=True)
        self._records = SQLRecordManager("contest", db_url=f"sqlite:///{self._folder}/records.sqlite")
        self._records.create_schema()
        self._retriever = self._store.as_retriever(search_kwargs={"k": DEPTH})

    def ingest(self, rows: list[Row]) -> int:
        documents = [
            Document(row["content"], metadata={"source": row["id"], "title": row["title"], "author": row["author"]})
            for row in rows
        ]
        index(
            self._splitter.split_documents(documents),
            self._records,
            self._store,
            cleanup="incremental",
            source_id_key="source",
            key_encoder="sha256",
        )
        self._store.dump(str(self._file))
        return len(self._store.store)

    def search(self, question: str) -> list[str]:
        return [document.metadata["source"] for document in self._retriever.invoke(question)]

    def forget(self) -> None:
        """It remembers no questions."""

    def close(self) -> None:
        """Everything is dumped after each ingest."""


if __name__ == "__main__":
    serve(LangChainStack(Path(sys.argv[1]), sys.argv[2]))
