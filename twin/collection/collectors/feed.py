"""A feed: RSS, Atom or JSON Feed. Also an author's page at a platform whose feeds are known, such as Medium's.

A feed shows its newest entries only, so what it does not show any more stays, and is looked at again at its own page
from time to time. See docs/guides/watching-feeds.md.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urljoin, urlsplit

from twin.collection.faults import attempt, contained
from twin.collection.feeds import entries, parsing
from twin.collection.feeds.recheck import recheck
from twin.collection.pages import webarticle
from twin.collection.refusals import failed, refused
from twin.collection.web import platforms, urls
from twin.errors import CollectionError, InputError, SourceFailed, SourceGone
from twin.records import Document, Rejected, Unchanged, Visit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.collection.collector import Item
    from twin.collection.feeds.types import Feed
    from twin.collection.session import Session
    from twin.collection.web.fetch import Fetched
    from twin.records import Source

__all__ = ["FeedCollector"]

PREFIX = re.compile(r"feed:(?://(?!/))?", re.IGNORECASE)
FEED_NAMES = frozenset({"feed", "feeds", "rss", "atom", "rss2", "rdf", "feed.json", "feed.php", "rss.php", "atom.php"})
FEED_ENDINGS = (".rss", ".atom", ".rdf", ".xml")
FEED_FOLDERS = ("/feed/", "/feeds/posts/")
MEDIA_TYPES = (
    "application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml", "application/xml",
    "text/xml", "application/json", "text/*", "application/octet-stream", "application/x-rss+xml",
)  # fmt: skip
"""Servers name feeds by many types. HTML is among `text/*`: what it names helps the user."""
MAX_PAGES = 50
FEED_PARAMETERS = frozenset({"feed", "rss", "atom"})


class FeedCollector:
    """Asks for the feed if it changed, and takes the entries that are new or changed in it."""

    kind: Final = "feed"
    rank: Final = 50
    complete: Final = False
    accepts = (
        "a feed (RSS, Atom, JSON Feed; any URL after `feed:`), or an author's page at Medium, Substack and the like"
    )

    def recognise(self, location: str) -> str | None:
        if prefix := PREFIX.match(location):
            return _after(location[prefix.end() :])
        if not urls.is_web(location):
            return None
        if feed := platforms.feed_of(location):
            return feed
        url = urls.canonical(location)
        return url if _looks_like_feed(url) else None

    def collect(self, source: Source, session: Session) -> Iterator[Item]:
        reader = f"feed {entries.VERSION} {webarticle.reader_of(source)}"
        visit = session.memory.visit(source, source.location)
        if visit and (visit.reader != reader or not visit.documents):
            visit = None
        look = _Look(source, session, reader, visit)
        yield from look.items()
        yield from recheck(source, session, look.shown)


class _Look:
    """One look at a feed."""

    def __init__(self, source: Source, session: Session, reader: str, visit: Visit | None) -> None:
        self._source = source
        self._session = session
        self._reader = reader
        self._visit = visit
        self.shown: set[str] = set()
        """Places of the entries that the feed shows."""
        self._documents: dict[str, None] = {}
        self._news = 0
        self._is_settled = True
        """Whether all that it shows could be dealt with, so that the next look may ask only whether it changed."""

    def items(self) -> Iterator[Item]:
        """What the feed gives."""
        first = self._fetch(self._source.location, self._visit)
        for item in self._unchanged() if first is None else self._pages(first):
            if isinstance(item, Document | Unchanged) and item.url:
                self._documents[item.url] = None
                self._news += isinstance(item, Document)
            yield item
        if first is not None and self._is_settled and self._documents:
            yield Visit(
                url=self._source.location,
                reader=self._reader,
                documents=list(self._documents),
                etag=first.etag,
                last_modified=first.last_modified,
                digest=first.digest,
            )

    def _pages(self, page: Fetched | None) -> Iterator[Item]:
        """What the newest page gives, and the pages before it: all of them until they were read once, then as long as
        they have anything new."""
        asked = {self._source.location}
        while page is not None:
            feed = self._parse(page)
            news = self._news
            yield from self._page(feed, entries.Site(self._source, page.url, feed))
            following = _next_page(feed, page.url, asked) if self._news > news or not self._visit else None
            if following and len(asked) > MAX_PAGES:
                yield refused(following, f"the feed goes on; {MAX_PAGES} of its pages are read in one run")
                return
            page = self._fetch(following, None) if following else None

    def _fetch(self, url: str, visit: Visit | None) -> Fetched | None:
        try:
            return self._session.fetcher.get(url, accept=MEDIA_TYPES, visit=visit)
        except SourceGone as gone:
            # The feed, not what it showed: that is still at its own places
            raise SourceFailed(f"The feed {url} is gone: {gone}. Its documents stay.") from None

    def _parse(self, page: Fetched) -> Feed:
        try:
            return parsing.parse(page.body, page.url, charset=page.charset, media_type=page.media_type)
        except CollectionError as error:
            raise type(error)(f"{page.url}: {error}.") from None

    def _unchanged(self) -> Iterator[Item]:
        for url in self._visit.documents if self._visit else []:
            self.shown.add(url)
            yield Unchanged(url=url)

    def _page(self, feed: Feed, site: entries.Site) -> Iterator[Item]:
        """What the entries of one page give."""
        for flaw in feed.flaws:
            self._is_settled = False
            yield failed(f"{self._source.location}#{flaw.place}" if flaw.place else self._source.location, flaw.reason)
        for number, entry in enumerate(feed.entries, 1):
            here = f"{self._source.location}#entry-{number}"
            place = attempt(here, partial(site.place_of, entry))
            if isinstance(place, Rejected):
                yield place
                continue
            if place in self.shown:
                yield refused(here, f"the feed shows {place} twice; the first one counts")
                continue
            self.shown.add(place)
            took = entries.take(entry, place, feed, site, self._source, self._session)
            settled = yield from contained(place, took)
            self._is_settled = self._is_settled and bool(settled)


def _next_page(feed: Feed, url: str, asked: set[str]) -> str | None:
    """The page with older entries, unless it leads back or to another host."""
    try:
        following = urls.canonical(urljoin(url, feed.next_url)) if feed.next_url else None
    except (InputError, ValueError):
        return None
    if not following or following in asked or urls.host(following) != urls.host(url) or not urls.is_web(following):
        return None
    asked.add(following)
    return following


def _after(url: str) -> str | None:
    """The feed named after the prefix; without a scheme it is https."""
    url = url if urls.is_web(url) else f"https://{url}"
    if not urls.is_web(url):
        return None
    return platforms.feed_of(url) or urls.canonical(url)


def _looks_like_feed(url: str) -> bool:
    parts = urlsplit(url)
    path = parts.path.rstrip("/").lower()
    name = path.rpartition("/")[2]
    if name in FEED_NAMES or name.endswith(FEED_ENDINGS) or parts.path.lower().startswith(FEED_FOLDERS):
        return True
    return any(
        key.lower() in FEED_PARAMETERS or (key.lower() == "alt" and value.lower() in ("rss", "atom"))
        for key, value in parse_qsl(parts.query)
    )


COLLECTOR = FeedCollector()
