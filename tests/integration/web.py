"""A web site on this machine for tests, and what a run of collection remembers of it."""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import msgspec

from twin import collection
from twin.collection.session import Session
from twin.errors import CollectionError
from twin.records import Document, Gone, Rejected, Unchanged, Visit
from twin.settings import SourceSettings, read

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from twin.records import Source


HTML = "text/html; charset=utf-8"


class Site:
    """What a server gives by path, and what it was asked. Answers carry an ETag and heed `If-None-Match`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pages: dict[str, tuple[int, str, bytes]] = {}
        self.asked: list[str] = []
        self.breaks_off: set[str] = set()

    def put(self, path: str, body: str | bytes, *, media_type: str = HTML, status: int = 200) -> None:
        """What is at a path from now on; `{site}` in text is the site's own URL."""
        data = body if isinstance(body, bytes) else body.replace("{site}", self.url).encode()
        self.pages[path] = (status, media_type, data)

    def asked_now(self) -> list[str]:
        """The paths asked for since the last call, robots.txt aside; those answered by 304 with `=` before them."""
        asked, self.asked = [path for path in self.asked if not path.endswith("/robots.txt")], []
        return asked


@contextmanager
def serve() -> Generator[Site]:
    """A site on a loopback port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, media_type, body = site.pages.get(self.path, (404, "text/plain", b"nothing here"))
            tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            unchanged = status == 200 and self.headers.get("If-None-Match") == tag
            site.asked.append(f"={self.path}" if unchanged else self.path)
            self.send_response(304 if unchanged else status)
            if unchanged:
                self.send_header("ETag", tag)
                self.end_headers()
                return
            self.send_header("Content-Type", media_type)
            self.send_header("ETag", tag)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.path in site.breaks_off:
                self.wfile.write(body[: len(body) // 2])
                self.close_connection = True
            else:
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Keeps the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.daemon_threads = True
        site = Site(f"http://localhost:{httpd.server_address[1]}")
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield site
        httpd.shutdown()


class Look:
    """What one run of one source gave."""

    def __init__(self) -> None:
        self.documents: list[Document] = []
        self.unchanged: list[str] = []
        self.gone: list[str] = []
        self.rejected: list[Rejected] = []
        self.visits: list[Visit] = []
        self.error: Exception | None = None

    def reasons(self) -> str:
        return "\n".join(f"{one.url}: {one.reason}" for one in self.rejected)


class Remembering:
    """The memory of runs, as the warehouse keeps it: a visit is of use as long as its documents are there."""

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self._visits: dict[str, Visit] = {}
        self._now = datetime(2026, 1, 1, tzinfo=UTC)

    def visit(self, source: Source, url: str) -> Visit | None:
        visit = self._visits.get(url)
        return visit if visit and all(one in self.documents for one in visit.documents) else None

    def visits(self, source: Source) -> Iterator[Visit]:
        return (visit for url in sorted(self._visits) if (visit := self.visit(source, url)))

    def look(self, source: Source, **changes: object) -> Look:
        """One run, remembered."""
        given = {"allow_private_addresses": True, "timeout_seconds": 5.0, "host_delay_min_seconds": 0.0, "attempts": 1}
        settings = read(SourceSettings).model_copy(update=given | {"host_delay_factor": 0.0} | changes)
        look = Look()
        self._now += timedelta(hours=1)
        with Session(settings, memory=self) as session:
            try:
                for item in collection.collect(source, session):
                    self._take(item, look)
            except CollectionError as error:
                look.error = error
        for visit in look.visits:
            self._visits[visit.url] = msgspec.structs.replace(visit, checked_at=self._now)
        for url, visit in self._visits.items():
            if not set(visit.documents).isdisjoint(look.unchanged):
                self._visits[url] = msgspec.structs.replace(visit, checked_at=self._now)
        return look

    def _take(self, item: object, look: Look) -> None:
        match item:
            case Document():
                look.documents.append(item)
                self.documents[item.url] = item
            case Unchanged(url=str(url)):
                look.unchanged.append(url)
            case Gone():
                look.gone.append(item.url)
                self.documents.pop(item.url, None)
            case Rejected():
                look.rejected.append(item)
            case Visit():
                look.visits.append(item)
