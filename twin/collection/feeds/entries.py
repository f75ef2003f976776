"""What becomes of an entry of a feed: nothing when it is as it was, else a document, from the feed or from its page."""

from __future__ import annotations

import re
from datetime import datetime  # noqa: TC003 - read at run time, to decode `Said`
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import msgspec

from twin.collection.collector import Draft, finish
from twin.collection.faults import attempt
from twin.collection.pages import webarticle, webpage
from twin.collection.refusals import refused, too_large
from twin.collection.web import platforms, urls
from twin.errors import InputError, SourceRefused
from twin.records import Document, Rejected, Visit, content_hash

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from twin.collection.collector import Item
    from twin.collection.feeds.types import Entry, Feed
    from twin.collection.session import Session
    from twin.records import Source

__all__ = ["Said", "Site", "amend", "said_in", "take"]

VERSION = 1
"""Changes when the same entry gives another document."""
WHOLE_DESCRIPTION_CHARS = 2_000
"""A description this long is the article: many feeds have no other place for it."""
GOES_ON = re.compile(
    r"(?:[\[(]?(?:…|\.\.\.)[\])]?"
    r"|\b(?:continue reading|read (?:more|on|the (?:full|rest|whole))|keep reading)\b.{0,120}?)"
    r"[\s\W]*$",
    re.IGNORECASE,
)
LINK_TARGET = re.compile(r"\]\([^()\s]*\)")
TRAILERS = re.compile(
    r"\n\n(?:The post .{1,400} (?:first appeared|appeared first) on .{1,300}\.?"
    r"|.{1,400} was originally published in .{1,300}, where people are continuing the conversation\b.{0,200})\s*$"
)
"""What WordPress and Medium put at the end of each entry."""
TITLE_WORDS = 12


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a feed said of an entry. Kept as `Visit.listed`, so that its page can be read the same way later, too."""

    hash: str
    """Of all that the entry says."""
    title: str | None = None
    author: str | None = None
    published_at: datetime | None = None
    language: str | None = None
    page: str | None = None
    """Hash of what the entry's page gave, where the document came from the feed; see `feeds.recheck`."""
    whole: bool = False
    """Whether the document came from the feed."""

    @property
    def listed(self) -> str:
        return msgspec.json.encode(self).decode()


class Site:
    """The places that belong to a feed: where it is, and where it says that its site is."""

    def __init__(self, source: Source, fetched_from: str, feed: Feed) -> None:
        self._feed_url = source.location
        places = (source.location, fetched_from, feed.home or "")
        self._hosts = {host for place in places if (host := urls.host(place))}

    def place_of(self, entry: Entry) -> str:
        """The canonical URL of an entry: its link, else its id where that is a place of the site.

        An entry that comments on a page of another site is placed in its feed, not at that page of somebody else's.

        Raises:
            SourceRefused: The entry has neither link nor id.
        """
        for candidate in (entry.link, entry.identity):
            url = self._canonical(candidate)
            if url and self.has(url):
                return url
        name = entry.identity or entry.link
        if not name:
            raise SourceRefused("it has no link and no id, so there is no place to cite it by")
        return f"{self._feed_url}#{name.strip()}"

    def has(self, url: str) -> bool:
        """Whether a page is of the feed's site."""
        host = urls.host(url)
        return any(host == own or host.endswith(f".{own}") or own.endswith(f".{host}") for own in self._hosts)

    def _canonical(self, link: str | None) -> str | None:
        try:
            url = urls.canonical(urljoin(self._feed_url, link.strip())) if link and link.strip() else None
        except (InputError, ValueError):
            return None
        is_place = (
            url is not None and urls.is_web(url) and link is not None and "://" in link + "://" * (link[0] in "/?")
        )
        return url if is_place else None


def said_in(visit: Visit) -> Said | None:
    """What the feed said of the entry that a visit is of."""
    try:
        return msgspec.json.decode(visit.listed or "", type=Said)
    except (msgspec.DecodeError, ValueError):
        return None


def amend(draft: Draft, said: Said) -> Draft:
    """A page's document with what the feed knows better."""
    return msgspec.structs.replace(
        draft,
        title=said.title or draft.title,
        author=said.author or draft.author,
        published_at=said.published_at or draft.published_at,
        language=said.language or draft.language,
    )


def take(
    entry: Entry, place: str, feed: Feed, site: Site, source: Source, session: Session
) -> Generator[Item, None, bool]:
    """What an entry gives. `place` is its location.

    Returns whether it is settled: False for a page that could not be had, and should be asked for again.
    """
    said = _said(entry, feed, source)
    visit = session.memory.visit(source, place)
    before = said_in(visit) if visit else None
    as_before = before is not None and before.hash == said.hash and before.page is None
    if visit and as_before and webarticle.is_usable(visit, source, session):
        yield from webarticle.as_before(visit)
        return True
    content = attempt(place, lambda: _content(entry, session.settings.max_bytes))
    if isinstance(content, Rejected):
        yield content
        return True
    is_page = "#" not in place and site.has(place)
    if content is not None or not is_page:
        yield from _from_feed(content, place, said, source, session)
        return True
    known = msgspec.structs.replace(visit, reader="") if visit else None  # what the feed says anew is read anew
    settled = False
    for item in webarticle.refresh(
        place, source, session, visit=known, listed=said.listed, amend=lambda draft: amend(draft, said)
    ):
        settled = settled or isinstance(item, Visit)
        yield item
    return settled


def _from_feed(content: str | None, place: str, said: Said, source: Source, session: Session) -> Iterator[Item]:
    if content is None:
        yield refused(place, "the feed has only a summary of it, and it links to another site")
        return
    draft = Draft(
        url=place,
        title=said.title or _beginning(content),
        content=content,
        author=said.author,
        platform=platforms.platform_of(place),
        published_at=said.published_at,
        language=said.language,
        markup="page",
    )
    found = finish(draft, source, session)
    yield found
    if isinstance(found, Document):
        listed = msgspec.structs.replace(said, whole=True).listed
        yield Visit(url=place, reader=webarticle.reader_of(source), documents=[place], listed=listed)


def _said(entry: Entry, feed: Feed, source: Source) -> Said:
    published = entry.published_at.isoformat() if entry.published_at else ""
    updated = entry.updated_at.isoformat() if entry.updated_at else ""
    author = entry.author or source.author or feed.author
    language = entry.language or feed.language
    told = (entry.title, author, entry.html, entry.text, published, updated, language, entry.link, entry.identity)
    return Said(
        hash=content_hash(str(VERSION), *told),
        title=entry.title,
        author=author,
        published_at=entry.published_at,
        language=language,
    )


def _content(entry: Entry, max_bytes: int) -> str | None:
    """The whole of an entry as markdown; None when the feed has only a summary of it.

    Raises:
        SourceRefused: It is too large.
        SourceFailed: It is no HTML.
    """
    said = entry.html or entry.text or ""
    if len(said) > max_bytes:
        raise SourceRefused(too_large(len(said.encode("utf-8", "replace")), max_bytes))
    markdown = webpage.fragment(said, entry.base) if entry.html else said.replace("\r\n", "\n").strip()
    if not markdown or GOES_ON.search(LINK_TARGET.sub("]", markdown[-1_000:])):
        return None
    if entry.is_summary and len(markdown) < WHOLE_DESCRIPTION_CHARS and (entry.link or "").strip():
        return None
    return TRAILERS.sub("", markdown)


def _beginning(content: str) -> str:
    """A title for an entry without one, as short posts are."""
    words = re.sub(r"[#>*`\[\]]|\([^()\s]*\)", "", content[:500]).split()
    return " ".join(words[:TITLE_WORDS]) + (" …" if len(words) > TITLE_WORDS else "")
