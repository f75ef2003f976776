"""What vanishes from its source vanishes from everything that was made of it."""

from __future__ import annotations

import contextlib
import random
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from twin import datasets
from twin.artifacts import ArtifactStore
from twin.cleaning.refresh import refresh
from twin.collection import ingestion
from twin.features import embedding, pipeline
from twin.features.index import open_index
from twin.home import Home
from twin.records import Chunk, EmbeddedChunk, Source
from twin.retrieval.retriever import Retriever
from twin.serving.client import Completion
from twin.settings import EmbeddingSettings, QdrantSettings, SourceSettings, read
from twin.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from twin.features.embedding import Embedder

SUBJECTS = ("looms", "bridges", "orchards", "lenses", "harbours")
pytestmark = pytest.mark.timeout(180)


def prose(subject: str) -> str:
    """Two paragraphs that no other subject's resemble."""
    chosen = random.Random(subject)

    def sentence() -> str:
        words = ["".join(chosen.choices("aeioulmnrst", k=chosen.randint(3, 9))) for _ in range(12)]
        return f"Of {subject} the keepers say {' '.join(words)}."

    return "\n\n".join(" ".join(sentence() for _ in range(4)) for _ in range(2))


class Pages(BaseHTTPRequestHandler):
    """One page, until it is taken down."""

    protocol_version = "HTTP/1.1"
    status = 200

    def do_GET(self) -> None:
        paragraphs = "".join(f"<p>{part}</p>" for part in prose("engines").split("\n\n"))
        page = f"<html><head><title>On engines</title></head><body><article>{paragraphs}</article></body></html>"
        status = 404 if self.path == "/robots.txt" else type(self).status
        body = page.encode() if status == 200 else b""
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    monkeypatch.setenv("COLLECTION_ALLOW_PRIVATE_ADDRESSES", "true")
    monkeypatch.setattr(Pages, "status", 200)
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Source(kind="article", location=f"http://127.0.0.1:{server.server_port}/engines", author="Ada")
        server.shutdown()


class Writer:
    """Writes an instruction for each passage, by rule."""

    def complete(self, messages: Sequence[dict[str, str]], **_: Any) -> Completion:
        request = messages[-1]["content"]
        about = next((subject for subject in (*SUBJECTS, "engines") if subject in request), "things")
        number = zlib.crc32(request.encode())
        text = f"What have you noted of {about} in their keepers' years, in note {number}?"
        return Completion(text=text, prompt_tokens=1, completion_tokens=1, finish_reason="stop", model="rules")


class Made(NamedTuple):
    """The documents that each product knows, by their last part of the URL."""

    raw: set[str]
    cleaned: set[str]
    chunks: set[str]
    embeddings: set[str]
    index: set[str]
    instructions: set[str]


@pytest.fixture
def warehouse(mongo_uri: str, mongo_database: str) -> Iterator[Warehouse]:
    with Warehouse(mongo_uri, mongo_database) as warehouse:
        yield warehouse


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return embedding.load(read(EmbeddingSettings))


def through(todo: list[Source], warehouse: Warehouse, embedder: Embedder, home: Path, *, confirm: bool = False) -> Made:
    """Everything from the sources to the index and the dataset."""
    names = {document.id: document.url.rsplit("/", 1)[-1] for document in warehouse.documents.read()}
    ingestion.ingest(todo, warehouse, read(SourceSettings), confirm_vanished=confirm)
    names |= {document.id: document.url.rsplit("/", 1)[-1] for document in warehouse.documents.read()}
    refresh(warehouse)
    store = ArtifactStore(str(home / "artifacts"))
    pipeline.chunk(warehouse, store, embedder)
    pipeline.embed(store, embedder)
    index = open_index(read(QdrantSettings), Home(home).index, dimensions=embedder.dimensions)
    pipeline.publish(store, index, embedder)
    chunks = list(store.dataset("chunks", Chunk).rows())
    found = index.search("keepers", embedder.embed(["keepers"])[0], k=50)
    assert index.count() == len(chunks)
    cache = datasets.InstructionCache(home / "instructions")
    dataset = datasets.build(
        chunks,
        Retriever(lambda: embedder, lambda: index),
        datasets.InstructionWriter(contextlib.nullcontext(Writer()), name="rules", cache=cache, seed=1),
        cache=cache,
        cap=100,
        most_written=100,
        test_share=0.3,
        seed=1,
    )
    index.close()
    datasets.publish(store, dataset)
    stored = datasets.current(store)
    return Made(
        raw=set(map(names.__getitem__, warehouse.documents.fingerprints())),
        cleaned=set(map(names.__getitem__, warehouse.cleaned.inputs())),
        chunks={names[chunk.document_id] for chunk in chunks},
        embeddings={names[row.document_id] for row in store.dataset("embeddings", EmbeddedChunk).rows()},
        index={names[passage.document_id] for passage in found},
        instructions={names[sample.document_id] for sample in (*stored.train, *stored.test)},
    )


def test_what_its_source_no_longer_has_is_in_none_of_the_products(
    warehouse: Warehouse, embedder: Embedder, home: Path, tmp_path: Path, page: Source
) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    for subject in SUBJECTS:
        (notes / f"{subject}.md").write_text(f"# On {subject}\n\n{prose(subject)}\n")
    todo = [Source(kind="folder", location=str(notes), author="Ada"), page]
    everything = {*(f"{subject}.md" for subject in SUBJECTS), "engines"}
    assert set(map(frozenset, through(todo, warehouse, embedder, home))) == {frozenset(everything)}

    (notes / "looms.md").unlink()
    assert set(map(frozenset, through(todo, warehouse, embedder, home))) == {frozenset(everything - {"looms.md"})}

    Pages.status = 410
    rest = everything - {"looms.md", "engines"}
    assert set(map(frozenset, through(todo, warehouse, embedder, home))) == {frozenset(rest)}
    assert warehouse.sources.visit(page, page.location) is None

    for subject in ("bridges", "orchards", "lenses"):
        (notes / f"{subject}.md").unlink()
    assert set(map(frozenset, through(todo, warehouse, embedder, home))) == {frozenset(rest)}, "too many at once"
    left = through(todo, warehouse, embedder, home, confirm=True)
    assert set(map(frozenset, left)) == {frozenset({"harbours.md"})}

    (notes / "harbours.md").write_text(f"---\ndraft: true\n---\n# On harbours\n\n{prose('harbours')}\n")
    (notes / "orchards.md").write_text(f"# On orchards\n\n{prose('orchards')}\n")
    (notes / "lenses.md").write_text(f"---\nprivate: true\n---\n# On lenses\n\n{prose('lenses')}\n")
    withheld = through(todo, warehouse, embedder, home)
    assert set(map(frozenset, withheld)) == {frozenset({"orchards.md"})}, "what is withheld goes however much it is"
    (notes / "harbours.md").write_text(f"# On harbours\n\n{prose('harbours')}\n")
    (notes / "orchards.md").unlink()
    assert set(map(frozenset, through(todo, warehouse, embedder, home))) == {frozenset({"harbours.md"})}

    Pages.status = 200
    back = through(todo, warehouse, embedder, home)
    assert set(map(frozenset, back)) == {frozenset({"harbours.md", "engines"})}, "what comes back is taken up again"
