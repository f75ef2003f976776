"""What every kind of feed is read into."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Entry", "Feed", "Flaw", "language_tag", "person", "plain_title"]

LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*")
TAG = re.compile(r"</?[A-Za-z][^<>]{0,300}>")
MAX_NAME_CHARS = 200
MAX_TITLE_CHARS = 1_000


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry, as its feed tells it."""

    link: str | None
    identity: str | None
    """The feed's own id of it, often a URL."""
    title: str | None
    author: str | None
    html: str | None
    text: str | None
    """What it says, one of the two; markup in `text` is meant literally."""
    is_summary: bool
    """Whether the feed calls it a description only; many call so the whole article."""
    base: str
    """What links in `html` are relative to."""
    published_at: datetime | None
    updated_at: datetime | None
    language: str | None


class Flaw(msgspec.Struct, frozen=True, kw_only=True):
    """Something in a feed that cannot be read."""

    reason: str
    place: str | None = None
    """Which entry, None for the feed itself."""


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a feed."""

    title: str | None
    home: str | None
    """The site that it is of."""
    author: str | None
    language: str | None
    next_url: str | None
    """The page with the entries before these."""
    entries: list[Entry]
    flaws: list[Flaw] = []


def plain_title(value: object) -> str | None:
    """A title as text, on one line; tags and entities that it carries are taken out."""
    if not isinstance(value, str):
        return None
    return " ".join(unescape(TAG.sub("", value[:MAX_TITLE_CHARS])).split()) or None


def person(value: object) -> str | None:
    """A person's name, None for anything else such as a mere address."""
    if not isinstance(value, str):
        return None
    name = " ".join(unescape(value).split())
    return name if name and "@" not in name and "://" not in name and len(name) <= MAX_NAME_CHARS else None


def language_tag(value: object) -> str | None:
    """A language in lower case with hyphens, None for what is no tag."""
    if not isinstance(value, str) or not LANGUAGE_TAG.fullmatch(value.strip()):
        return None
    return value.strip().replace("_", "-").lower()
