"""From cleaned documents to vectors, with the real warehouse and the real model: what is embedded, and what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from twin import cleaning
from twin.artifacts import ArtifactStore
from twin.features import embedding, pipeline
from twin.features.embedding_cache import EmbeddingCache
from twin.records import Chunk, Document, EmbeddedChunk, Source, content_hash, document_id
from twin.settings import EmbeddingSettings, read
from twin.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SUBJECTS = ("gardens", "bridges", "letters", "engines", "rivers", "looms")


class Watched(embedding.SentenceEmbedder):
    """The real embedder; it remembers which passages it embedded."""

    def __init__(self, embedder: embedding.SentenceEmbedder, cache: Path) -> None:
        super().__init__(embedder.folder, cache=cache, name=embedder.name)
        self.embedded: list[str] = []

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.embedded += texts
        return super().embed(texts)


class Twin:
    """A warehouse, an artifact store and a cache, and the way through them."""

    def __init__(self, warehouse: Warehouse, root: Path, embedder: Watched) -> None:
        self.warehouse = warehouse
        self.store = ArtifactStore(str(root / "artifacts"))
        self.cache = EmbeddingCache(root / "embeddings.sqlite", limit_mb=16)
        self.embedder = embedder

    def bring(self, texts: dict[str, str]) -> None:
        documents = []
        for title, content in texts.items():
            url = f"https://example.com/{title}"
            documents.append(
                Document(id=document_id(url), url=url, source_id="s", author="Ada", title=title, content=content)
            )
        self.warehouse.documents.observe(Source(kind="folder", location="/documents"), documents, complete=True)
        self.warehouse.cleaned.write((cleaning.clean(document), document.hash) for document in documents)

    def run(self) -> list[str]:
        """Both steps; gives the passages that were embedded for it."""
        self.embedder.embedded.clear()
        pipeline.chunk(self.warehouse, self.store, self.embedder, self.cache)
        pipeline.embed(self.store, self.embedder, self.cache)
        return list(self.embedder.embedded)

    @property
    def passages(self) -> list[Chunk]:
        return list(self.store.dataset("chunks", Chunk).rows())

    @property
    def vectors(self) -> dict[str, EmbeddedChunk]:
        return {row.chunk_id: row for row in self.store.dataset("embeddings", EmbeddedChunk).rows()}


def document(subject: str, *, edited: bool = False) -> str:
    sections = []
    for number in range(8):
        sentences = [f"Sentence {line} of part {number} tells of {subject} and of its keepers." for line in range(12)]
        if edited and number == 3:
            sentences[5] = "This sentence is new."
        sections.append(f"## Part {number}\n\n" + " ".join(sentences))
    return "\n\n".join(sections)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    return Watched(embedding.load(read(EmbeddingSettings)), tmp_path_factory.mktemp("converted"))


@pytest.fixture
def twin(mongo_uri: str, mongo_database: str, tmp_path: Path, watched: Watched) -> Iterator[Twin]:
    warehouse = Warehouse(mongo_uri, mongo_database)
    made = Twin(warehouse, tmp_path, watched)
    made.bring({subject: document(subject) for subject in SUBJECTS})
    yield made
    warehouse.close()


def test_every_passage_gets_the_vector_of_its_own_text_and_is_embedded_once(twin: Twin, watched: Watched):
    embedded = twin.run()
    passages, vectors = twin.passages, twin.vectors
    texts = {passage.embedding_text for passage in passages}
    assert sorted(embedded) == sorted(texts)
    assert vectors.keys() == {passage.id for passage in passages}
    for passage in passages[::7]:
        row = vectors[passage.id]
        assert row.text_hash == content_hash(passage.embedding_text)
        assert np.abs(row.array - watched.embed([passage.embedding_text])[0]).max() < 1e-5
        assert pipeline.is_unit(row.array, watched.dimensions)


def test_nothing_is_embedded_when_nothing_changed(twin: Twin):
    twin.run()
    assert twin.run() == []


def test_only_the_passages_that_an_edit_changed_are_embedded(twin: Twin):
    twin.run()
    before = {passage.embedding_text for passage in twin.passages}
    twin.bring({subject: document(subject, edited=subject == "rivers") for subject in SUBJECTS})
    embedded = twin.run()
    changed = {passage.embedding_text for passage in twin.passages} - before
    assert 0 < len(changed) <= 2
    assert set(embedded) == changed
    assert twin.vectors.keys() == {passage.id for passage in twin.passages}


def test_a_document_that_breaks_the_cutting_is_left_out_alone_and_tried_again(twin: Twin):
    class Breaking(Watched):
        def count_tokens(self, text: str) -> int:
            if "rivers" in text:
                raise IndexError(text)
            return super().count_tokens(text)

    whole = twin.embedder
    twin.embedder = Breaking(whole, twin.cache.path.parent)
    for added in (len(SUBJECTS) - 1, 0):
        report = pipeline.chunk(twin.warehouse, twin.store, twin.embedder)
        assert (report.added, report.removed) == (added, 0)
        assert [(each.url, each.reason) for each in report.left_out] == [
            ("https://example.com/rivers", "IndexError while it was cut; the log has more")
        ]
        assert {passage.title for passage in twin.passages} == {*SUBJECTS} - {"rivers"}
    twin.embedder = whole
    twin.run()
    assert {passage.title for passage in twin.passages} == {*SUBJECTS}
    assert twin.vectors.keys() == {passage.id for passage in twin.passages}


def test_datasets_that_were_lost_are_made_again_from_the_cache(twin: Twin):
    twin.run()
    before = {key: row.vector for key, row in twin.vectors.items()}
    for name in ("chunks", "embeddings"):
        twin.store.remove(f"datasets/{name}/manifest.json")
    assert twin.run() == []
    assert {key: row.vector for key, row in twin.vectors.items()} == before


def test_a_document_that_moves_keeps_its_vectors(twin: Twin):
    twin.run()
    texts = {subject: document(subject) for subject in SUBJECTS}
    title = "gardens"
    moved = Document(
        id=document_id("https://elsewhere.example/g"), url="https://elsewhere.example/g", source_id="s", author="Ada",
        title=title, content=texts.pop(title),
    )  # fmt: skip
    twin.bring(texts)
    twin.warehouse.documents.observe(Source(kind="folder", location="/elsewhere"), [moved], complete=True)
    twin.warehouse.cleaned.write([(cleaning.clean(moved), moved.hash)])
    assert twin.run() == []
    assert any(passage.document_id == moved.id for passage in twin.passages)
