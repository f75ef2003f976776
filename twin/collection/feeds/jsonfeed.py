"""JSON Feed 1.0 and 1.1 (https://www.jsonfeed.org/version/1.1/)."""

from __future__ import annotations

from typing import Any

import msgspec

from twin.collection.feeds.types import Entry, Feed, Flaw, language_tag, person, plain_title
from twin.errors import SourceFailed
from twin.text import decoding
from twin.text.dates import parse_date

__all__ = ["parse"]

VERSION = "jsonfeed.org/version/1"
MAX_ENTRIES = 5_000


class _Author(msgspec.Struct, kw_only=True):
    name: str | None = None


class _Item(msgspec.Struct, kw_only=True):
    """The fields that are read. `id` should be text, and is a number in some feeds."""

    id: str | int | float | None = None
    url: str | None = None
    title: str | None = None
    content_html: str | None = None
    content_text: str | None = None
    summary: str | None = None
    date_published: str | None = None
    date_modified: str | None = None
    author: _Author | None = None
    authors: list[_Author] = []
    language: str | None = None


class _Feed(msgspec.Struct, kw_only=True):
    version: str
    items: list[Any]
    title: str | None = None
    home_page_url: str | None = None
    next_url: str | None = None
    author: _Author | None = None
    authors: list[_Author] = []
    language: str | None = None


def parse(data: bytes, url: str) -> Feed:
    """The entries of a JSON Feed; an entry that does not fit is a flaw and the rest goes on.

    Raises:
        SourceFailed: It is not JSON, or no JSON Feed.
    """
    try:
        feed = msgspec.json.decode(decoding.decode(data), type=_Feed)
    except msgspec.ValidationError as error:
        raise SourceFailed(f"it is JSON, but no JSON Feed: {error}") from None
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise SourceFailed(f"it is not valid JSON: {error}") from None
    if VERSION not in feed.version:
        raise SourceFailed("it is JSON, but no JSON Feed: its version is another")
    entries, flaws = [], []
    for number, item in enumerate(feed.items[:MAX_ENTRIES], 1):
        try:
            entries.append(_entry(msgspec.convert(item, _Item), url))
        except (msgspec.ValidationError, RecursionError) as error:
            flaws.append(Flaw(reason=f"it does not fit JSON Feed: {error}", place=str(number)))
    if len(feed.items) > MAX_ENTRIES:
        flaws.append(Flaw(reason=f"it has {len(feed.items):,} entries; the first {MAX_ENTRIES:,} are read"))
    return Feed(
        title=plain_title(feed.title),
        home=feed.home_page_url,
        author=_name(feed.author, feed.authors),
        language=language_tag(feed.language),
        next_url=feed.next_url,
        entries=entries,
        flaws=flaws,
    )


def _entry(item: _Item, url: str) -> Entry:
    said = item.content_html or item.content_text or item.summary
    return Entry(
        link=item.url,
        identity=str(item.id) if item.id is not None else None,
        title=plain_title(item.title),
        author=_name(item.author, item.authors),
        html=item.content_html or None,
        text=None if item.content_html else said,
        is_summary=not (item.content_html or item.content_text),
        base=item.url or url,
        published_at=parse_date(item.date_published),
        updated_at=parse_date(item.date_modified),
        language=language_tag(item.language),
    )


def _name(author: _Author | None, authors: list[_Author]) -> str | None:
    """The first that is named; version 1.1 has a list, 1.0 has one."""
    return next((name for one in [*authors, *([author] if author else [])] if (name := person(one.name))), None)
