"""Feeds: RSS 0.9x, 1.0 and 2.0, Atom and JSON Feed, as entries that say the same in the same fields."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from twin.collection.feeds import jsonfeed, safexml
from twin.collection.feeds.types import Entry, Feed, Flaw, language_tag, person, plain_title
from twin.errors import SourceFailed

if TYPE_CHECKING:
    from lxml.etree import _Element  # ty: ignore[import-not-found]

__all__ = ["MAX_ENTRIES", "Entry", "Feed", "parse"]

MAX_ENTRIES = 5_000
"""Of one page of a feed; what comes after them is not read."""
MAX_ELEMENTS = 100_000
MAX_ATTRIBUTES = 200
"""feedparser takes seconds for the first and is quadratic in the second."""
MAX_CHARS: dict[str, int | None] = {
    "author": 300, "creator": 300, "contributor": 300, "managingeditor": 300, "webmaster": 300, "publisher": 300,
    "name": 300, "email": 300, "owner": 300,
    "content": None, "description": None, "summary": None, "encoded": None, "body": None, "xhtml": None,
}  # fmt: skip
"""What of a text is read, by element; feedparser looks for addresses in names by patterns that are quadratic."""
MAX_OTHER_CHARS = 5_000
ROOTS = frozenset({"rss", "rdf", "feed", "channel"})
ITEMS = frozenset({"item", "entry"})
FEED_LINK = re.compile(
    rb"<link[^>]{0,300}type=[\"']application/(?:rss|atom|feed)\+(?:xml|json)[\"'][^>]{0,300}>", re.IGNORECASE
)
HREF = re.compile(rb"href=[\"']([^\"']{1,1000})[\"']", re.IGNORECASE)


def parse(data: bytes, url: str, *, charset: str | None = None, media_type: str = "") -> Feed:
    """The entries of a feed.

    Args:
        data: The feed as it came.
        url: Where it is; links are relative to it.
        charset: The encoding that the server named.
        media_type: As the server named it.

    Raises:
        SourceRefused: It declares XML entities, or is no text.
        SourceFailed: It is no feed.
    """
    begin = data[:2_000].lstrip(b"\xef\xbb\xbf \t\r\n")
    if "json" in media_type or begin[:1] == b"{":
        return jsonfeed.parse(data, url)
    if media_type == "text/html" or re.match(rb"<!doctype html|<html", begin, re.IGNORECASE):
        raise SourceFailed(_no_feed(data))
    xml = safexml.parse(data, charset)
    if safexml.local_name(xml.root) not in ROOTS:
        raise SourceFailed(f"it is XML, but no feed: its root is <{safexml.local_name(xml.root)}>")
    flaws = _cut(xml)
    return _understood(xml.root, url, flaws)


def _no_feed(data: bytes) -> str:
    """Tells which feed a page names, so that the user can add that."""
    link = FEED_LINK.search(data[:200_000])
    href = HREF.search(link[0]) if link else None
    named = f"; the page names this one: {href[1].decode('utf-8', 'replace')}" if href else ""
    return f"it is an HTML page and no feed{named}"


def _cut(xml: safexml.SafeXml) -> list[Flaw]:
    """Takes away what is half or too much, and says so."""
    items = []
    for count, element in enumerate(xml.root.iter(), 1):
        if count > MAX_ELEMENTS or len(element.attrib) > MAX_ATTRIBUTES:
            raise SourceFailed(
                f"it is no feed that a person wrote: at most {MAX_ELEMENTS:,} elements are read, and {MAX_ATTRIBUTES} "
                "attributes of one"
            )
        name = safexml.local_name(element)
        limit = MAX_CHARS.get(name, MAX_OTHER_CHARS)
        if element.text and limit is not None and len(element.text) > limit:
            element.text = element.text[:limit]
        if name in ITEMS:
            items.append(element)
    flaws = []
    if not xml.whole:
        flaws.append(Flaw(reason="it breaks off or is broken: entries after that are missing"))
        if items and xml.is_last_half("item", "entry", "rss:item", "atom:entry"):
            _remove(items.pop())
    if len(items) > MAX_ENTRIES:
        flaws.append(Flaw(reason=f"it has {len(items):,} entries; the first {MAX_ENTRIES:,} are read"))
        for item in items[MAX_ENTRIES:]:
            _remove(item)
    return flaws


def _remove(element: _Element) -> None:
    if (parent := element.getparent()) is not None:
        parent.remove(element)


def _understood(root: _Element, url: str, flaws: list[Flaw]) -> Feed:
    import feedparser
    from lxml import etree  # ty: ignore[missing-module-member]

    clean = etree.tostring(root, encoding="utf-8", xml_declaration=True)
    headers = {"content-type": "application/xml; charset=utf-8", "content-location": url}
    try:
        found: Any = feedparser.parse(
            io.BytesIO(clean), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
        )
        return _feed(found, url, flaws)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        # feedparser is for feeds that people wrote; what was made to confuse it may raise anything of this
        raise SourceFailed(f"it cannot be understood as a feed: {type(error).__name__}") from None


def _feed(found: Any, url: str, flaws: list[Flaw]) -> Feed:
    about = found.feed
    if not found.version and not found.entries:
        raise SourceFailed("it is XML, but no feed")
    links = {link.get("rel"): link.get("href") for link in about.get("links", []) if link.get("href")}
    return Feed(
        title=plain_title(about.get("title")),
        home=about.get("link"),
        author=person(about.get("author_detail", {}).get("name") or about.get("author")),
        language=language_tag(about.get("language")),
        next_url=links.get("next"),
        entries=[_entry(entry, url) for entry in found.entries],
        flaws=flaws,
    )


def _entry(entry: Any, url: str) -> Entry:
    full = max(entry.get("content", []), key=_fitness, default=None)
    summary = entry.get("summary_detail")
    said = full or summary or {}
    return Entry(
        link=entry.get("feedburner_origlink") or entry.get("link"),
        identity=entry.get("id"),
        title=plain_title(entry.get("title")),
        author=person(entry.get("author_detail", {}).get("name") or entry.get("author")),
        html=said.get("value") if said.get("type") != "text/plain" else None,
        text=said.get("value") if said.get("type") == "text/plain" else None,
        is_summary=full is None,
        base=said.get("base") or url,
        published_at=_moment(entry, "published_parsed") or _moment(entry, "updated_parsed"),
        updated_at=_moment(entry, "updated_parsed"),
        language=language_tag(said.get("language")),
    )


def _fitness(content: Any) -> tuple[bool, int]:
    return content.get("type") != "text/plain", len(content.get("value") or "")


def _moment(entry: Any, name: str) -> datetime | None:
    """A date of feedparser's, which is in UTC; None for one that no calendar has."""
    parsed = dict.get(entry, name)  # its own `get` takes one date for another
    try:
        return datetime(*parsed[:6], tzinfo=UTC) if parsed else None
    except (TypeError, ValueError):
        return None
