"""A sitemap: every page of a site that its owner lists, asked for again when the sitemap says that it changed."""

from __future__ import annotations

import re
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from twin.collection.feeds import sitemaps
from twin.collection.pages import webarticle
from twin.collection.refusals import failed, refused
from twin.collection.web import urls
from twin.errors import CollectionError, InputError, SourceFailed, SourceRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.collection.collector import Item
    from twin.collection.session import Session
    from twin.records import Source

__all__ = ["SitemapCollector"]

PREFIX = re.compile(r"sitemap:(?://(?!/))?", re.IGNORECASE)
NAME = re.compile(r"[\w.-]*sitemap[\w.-]*\.(?:xml|txt)(?:\.gz)?", re.IGNORECASE)
MEDIA_TYPES = (
    "application/xml", "text/xml", "text/plain", "application/gzip", "application/x-gzip", "application/octet-stream",
    "application/rss+xml",
)  # fmt: skip
MAX_DEPTH = 3
"""Indexes inside each other; the protocol knows no index of indexes, and some sites have one."""
MAX_FILES = 200
MAX_PAGES = 50_000
NEVER = datetime(1, 1, 1, tzinfo=UTC)


class SitemapCollector:
    """Reads a sitemap and the sitemaps it names, then the pages on its own host.

    What is in none of them any more has vanished from the site.
    """

    kind: Final = "sitemap"
    rank: Final = 45
    complete: Final = True
    accepts = "a sitemap (a URL like .../sitemap.xml, or any URL after `sitemap:`)"

    def recognise(self, location: str) -> str | None:
        if prefix := PREFIX.match(location):
            rest = location[prefix.end() :]
            url = rest if urls.is_web(rest) else f"https://{rest}"
            return urls.canonical(url) if urls.is_web(url) else None
        if not urls.is_web(location):
            return None
        name = urlsplit(location).path.rpartition("/")[2]
        return urls.canonical(location) if NAME.fullmatch(name) else None

    def collect(self, source: Source, session: Session) -> Iterator[Item]:
        listing = _Listing(source, session)
        yield from listing.read()
        last_looks = {visit.url: visit.checked_at or NEVER for visit in session.memory.visits(source)}
        # What waited longest comes first: a site may have more pages than one run's budget
        for url, modified in sorted(listing.pages.items(), key=lambda page: last_looks.get(page[0], NEVER)):
            visit = session.memory.visit(source, url)
            if visit and modified and visit.listed == modified and webarticle.is_usable(visit, source, session):
                yield from webarticle.as_before(visit)
            else:
                yield from webarticle.refresh(url, source, session, visit=visit, listed=modified)
        if listing.missing:
            # Raised, so that what could not be read is not taken for vanished
            raise SourceFailed(f"The sitemap {source.location} could not be read whole: {listing.missing}.")


class _Listing:
    """The pages that a sitemap and those it names list. Each file and page counts once, so nothing goes in circles."""

    def __init__(self, source: Source, session: Session) -> None:
        self._root = source.location
        self._session = session
        self._host = urls.host(source.location)
        self._waiting = deque([(source.location, 0)])
        self._known = {source.location}
        self._elsewhere = 0
        self._one_elsewhere = ""
        self.pages: dict[str, str | None] = {}
        """URL and `lastmod`."""
        self.missing: str | None = None
        """Why these are not all; the first reason."""

    def read(self) -> Iterator[Item]:
        """Reads the files; gives what is wrong with them."""
        while self._waiting:
            url, depth = self._waiting.popleft()
            try:
                found = self._fetch(url)
            except CollectionError as error:
                if url == self._root:
                    raise
                self._miss(f"{url}: {error}")
                yield (refused if isinstance(error, SourceRefused) else failed)(url, str(error))
                continue
            if found.flaw:
                self._miss(f"{url}: {found.flaw}")
                yield failed(url, found.flaw)
            self._add_sitemaps(found, depth)
            self._add_pages(found)
        if self._elsewhere:
            others = f"{self._elsewhere:,} places on other hosts are left out, one is {self._one_elsewhere}"
            yield refused(f"{self._root}#other-hosts", others)
        if not self.pages and not self.missing:
            raise SourceFailed(f"The sitemap {self._root} lists no page of {self._host}.")

    def _fetch(self, url: str) -> sitemaps.Sitemap:
        fetched = self._session.fetcher.get(url, accept=MEDIA_TYPES)
        if fetched is None:
            raise SourceFailed("the server says that it has not changed, which was not asked")
        return sitemaps.parse(fetched.body, max_bytes=self._session.settings.max_bytes, charset=fetched.charset)

    def _add_sitemaps(self, found: sitemaps.Sitemap, depth: int) -> None:
        for url in self._own(found.sitemaps):
            if url in self._known:
                continue
            if depth >= MAX_DEPTH or len(self._known) >= MAX_FILES:
                self._miss(f"it names more sitemaps than are read ({MAX_FILES}, {MAX_DEPTH} inside each other)")
                return
            self._known.add(url)
            self._waiting.append((url, depth + 1))

    def _add_pages(self, found: sitemaps.Sitemap) -> None:
        for url, modified in self._own(found.pages).items():
            if url in self.pages:
                continue
            if len(self.pages) >= MAX_PAGES:
                self._miss(f"it lists more pages than are read ({MAX_PAGES:,})")
                return
            self.pages[url] = modified

    def _own(self, places: list[sitemaps.Place]) -> dict[str, str | None]:
        """Those on the sitemap's own host, by canonical URL."""
        own: dict[str, str | None] = {}
        for place in places:
            try:
                url = urls.canonical(place.url)
            except InputError:
                continue
            if urls.is_web(url) and urls.host(url) == self._host:
                own.setdefault(url, place.modified)
            else:
                self._elsewhere += 1
                self._one_elsewhere = self._one_elsewhere or place.url[:500]
        return own

    def _miss(self, reason: str) -> None:
        self.missing = self.missing or reason


COLLECTOR = SitemapCollector()
