"""Runs of real processes that are killed and interrupted in the middle, and a mongod that dies."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import psutil
import pytest

from twin.collection import ingestion
from twin.errors import WarehouseUnavailable
from twin.processes import wait_until
from twin.records import Source
from twin.settings import SourceSettings, read
from twin.warehouse import Warehouse, mongod

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES = 24
FREE_PAGES = 9
"""So many are answered at once; the server keeps the others waiting until it is told."""
PAGE = "<html><head><title>{0}</title></head><body><article><h1>{0}</h1><p>{1}</p></article></body></html>"
WORDS = "Engines turn heat into work. They do it in cycles, and each cycle gives a little less than it took. " * 3
PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits that it is ignored
from twin.collection import ingestion
from twin.records import Source
from twin.settings import SourceSettings, read
from twin.warehouse import Warehouse
uri, database, *locations = sys.argv[1:]
sources = [Source(kind="article", location=location, author="Ada") for location in locations]
with Warehouse(uri, database) as warehouse:
    print(ingestion.ingest(sources, warehouse, read(SourceSettings), tell=print).counts, flush=True)
"""
pytestmark = pytest.mark.timeout(120)


class Site:
    """A server that stops answering after some pages, until it is released."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.stalled = threading.Event()
        self.released = threading.Event()
        self._lock = threading.Lock()
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = b""
                if self.path != "/robots.txt":
                    site.count(self.path)
                    body = PAGE.format(self.path, WORDS).encode()
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # the client was killed
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.servers = [ThreadingHTTPServer((f"127.0.0.{number}", 0), Handler) for number in (1, 2, 3)]
        for server in self.servers:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def count(self, path: str) -> None:
        with self._lock:
            self.asked[path] += 1
            wait = sum(self.asked.values()) > FREE_PAGES and not self.released.is_set()
        if wait:
            self.stalled.set()
            self.released.wait(60)

    @property
    def locations(self) -> list[str]:
        places = [server.server_address[:2] for server in self.servers]
        return [f"http://{places[number % 3][0]}:{places[number % 3][1]}/{number}" for number in range(PAGES)]

    @property
    def sources(self) -> list[Source]:
        return [Source(kind="article", location=location, author="Ada") for location in self.locations]

    def close(self) -> None:
        self.released.set()
        for server in self.servers:
            server.shutdown()
            server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> SourceSettings:
    monkeypatch.setenv("COLLECTION_ALLOW_PRIVATE_ADDRESSES", "true")
    for name in ("COLLECTION_HOST_DELAY_MIN", "COLLECTION_HOST_DELAY_FACTOR"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("COLLECTION_ATTEMPTS", "1")
    monkeypatch.setenv("COLLECTION_TIMEOUT_SECONDS", "60")
    return read(SourceSettings)


def begin(site: Site, uri: str, database: str) -> subprocess.Popen[str]:
    """A process that reads the site, once the site has stalled and what came before is stored."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, uri, database, *site.locations],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_until(lambda: site.stalled.is_set() or process.poll() is not None, what="the stall", timeout=60)
    assert process.poll() is None, process.communicate()
    with Warehouse(uri, database) as warehouse:
        wait_until(lambda: warehouse.documents.count() == FREE_PAGES, what="what came before the stall", timeout=30)
        wait_until(
            lambda: len(warehouse.sources.last_looks()) == FREE_PAGES, what="the ends of those sources", timeout=30
        )
    return process


def test_a_killed_run_is_gone_on_with_and_nothing_is_asked_or_written_twice(
    site: Site, settings: SourceSettings, mongo_uri: str, mongo_database: str
) -> None:
    process = begin(site, mongo_uri, mongo_database)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    answered = set(list(site.asked)[:FREE_PAGES])
    site.released.set()
    site.asked.clear()
    with Warehouse(mongo_uri, mongo_database) as warehouse:
        before = {document.id for document in warehouse.documents.read()}
        told: list[str] = []
        report = ingestion.ingest(site.sources, warehouse, settings, tell=told.append)
        assert f"{FREE_PAGES} sources are done" in told[0]
        assert report.counts["unchanged"] == len(before) == FREE_PAGES
        assert report.counts["added"] == PAGES - FREE_PAGES
        assert set(site.asked) & answered == set()
        assert set(site.asked.values()) == {1}
        assert len(site.asked) == PAGES - FREE_PAGES
        assert {document.revision for document in warehouse.documents.read()} == {1}
        run = warehouse.runs.last()
        assert run is not None
        assert (run.state, run.resumes) == ("finished", True)


@pytest.mark.quiet
def test_ctrl_c_ends_a_run_at_once_though_every_host_keeps_it_waiting(
    site: Site, settings: SourceSettings, mongo_uri: str, mongo_database: str
) -> None:
    process = begin(site, mongo_uri, mongo_database)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert time.monotonic() - began < 5
    assert "KeyboardInterrupt" in said
    assert "has not ended" not in said, "every thread ended"
    with Warehouse(mongo_uri, mongo_database) as warehouse:
        assert warehouse.documents.count() == FREE_PAGES


def test_mongod_that_dies_in_the_middle_ends_the_run_with_advice_and_the_next_completes_it(
    site: Site, settings: SourceSettings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = tmp_path_factory.mktemp("mongod")
    running = mongod.start(data)

    def kill_when_it_stalls() -> None:
        site.stalled.wait(60)
        for process in psutil.Process(running.child.pid).children():
            process.kill()
        site.released.set()

    killer = threading.Thread(target=kill_when_it_stalls)
    with running, Warehouse(running.uri, "t", timeout_seconds=1) as warehouse:
        killer.start()
        with pytest.raises(WarehouseUnavailable, match="same command again"):
            ingestion.ingest(site.sources, warehouse, settings)
        killer.join()
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("collect-")] == []
    site.asked.clear()
    with mongod.start(data) as running, Warehouse(running.uri, "t") as warehouse:
        report = ingestion.ingest(site.sources, warehouse, settings)
        assert report.held == PAGES
        assert warehouse.documents.count() == PAGES
        assert len(site.asked) == report.counts["added"], "what was stored is not asked for again"
