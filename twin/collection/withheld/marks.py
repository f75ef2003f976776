"""By what a document says of itself that it is not for readers, in the words of the programs that publish it.

Hugo, Jekyll, Hexo, Zola, Docusaurus, Astro, Ghost, WordPress, Medium, Substack, Obsidian Publish and others say it in
front matter, in an export's record, or by where the file lies. Case, hyphens and underscores of names do not count.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple

from twin.text.dates import parse_date

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import PurePath

__all__ = ["VERSION", "Verdict", "judge", "mark_of"]

VERSION = "1"
"""Changes when the same marks give another verdict, or the same text other pieces."""

FALSE = frozenset({"false", "no", "off", "0", "n", "never"})
DRAFT = ("draft", "isdraft", "unpublished", "unlisted")
PUBLISHED = ("published", "publish", "ispublished", "dgpublish", "public")
PRIVATE = ("private", "isprivate")
STATES = ("status", "state", "poststatus", "wp:status")
UNPUBLISHED_STATES = frozenset(
    {"draft", "drafts", "auto-draft", "pending", "pending review", "future", "scheduled", "unpublished", "unlisted"}
)
PRIVATE_STATES = frozenset({"private", "trash", "trashed", "deleted", "hidden", "spam"})
PRIVATE_VISIBILITIES = frozenset({"private", "hidden", "draft", "password", "unlisted", "direct", "followers"})
BEGINS = ("publishdate", "publishedat", "publishat", "pubdate", "datepublished", "postdate", "published", "date")
ENDS = ("expirydate", "expires", "expiresat", "unpublishdate", "unpublishat")
DRAFT_FOLDER = "_drafts"
MEDIUM_DRAFT = re.compile(r"draft_.*\.html?", re.IGNORECASE)


class Verdict(NamedTuple):
    """Whether a document is for readers now."""

    reason: str | None = None
    """Why it is not; None when it is."""
    until: datetime | None = None
    """When the verdict will be another one, where that is known."""


def judge(said: Mapping[str, object], path: PurePath | None, now: datetime, *, drafts: bool) -> Verdict:
    """Whether a document is for readers.

    Args:
        said: What it says of itself, for example its front matter.
        path: Where it lies in its source, where it is a file.
        now: The time.
        drafts: Whether drafts and what is not yet or no longer published count as for readers. What is private or
            behind a password never does.
    """
    named = {mark_of(name): value for name, value in said.items()}
    if reason := _private(named):
        return Verdict(reason)
    if drafts:
        return Verdict()
    if reason := _unpublished(named) or _by_path(path):
        return Verdict(reason)
    return _in_time(named, now)


def mark_of(name: str) -> str:
    """A field's name as marks are compared."""
    return re.sub(r"[-_ ]", "", name).lower()


def _private(named: Mapping[str, object]) -> str | None:
    for name in PRIVATE:
        if _is_said(named.get(name)):
            return f"it is private (`{name}: {_text(named[name])}`)"
    for name in STATES:
        if _text(named.get(name)) in PRIVATE_STATES:
            return f"its author keeps it back (`{name}: {_text(named[name])}`)"
    if _text(named.get("visibility")) in PRIVATE_VISIBILITIES:
        return f"it is not public (`visibility: {_text(named['visibility'])}`)"
    if _is_said(named.get("protected")) or (named.get("password") and _text(named["password"])):
        return "it is protected by a password"
    return None


def _unpublished(named: Mapping[str, object]) -> str | None:
    for name in DRAFT:
        if _is_said(named.get(name)):
            return f"it is a draft (`{name}: {_text(named[name])}`)"
    for name in PUBLISHED:
        if name in named and _text(named[name]) in FALSE:
            return f"it is not published (`{name}: {_text(named[name])}`)"
    for name in STATES:
        if _text(named.get(name)) in UNPUBLISHED_STATES:
            return f"it is not published (`{name}: {_text(named[name])}`)"
    return None


def _by_path(path: PurePath | None) -> str | None:
    if path is None:
        return None
    if any(part.lower() == DRAFT_FOLDER for part in path.parts[:-1]):
        return f"it is a draft: it lies in {DRAFT_FOLDER}"
    if MEDIUM_DRAFT.fullmatch(path.name):
        return "it is a draft: Medium names its drafts draft_…"
    return None


def _in_time(named: Mapping[str, object], now: datetime) -> Verdict:
    # The first date that is named is the day of publication, however it is called; so with Hugo and Jekyll
    begins = next(_dates(named, BEGINS), None)
    if begins and begins > now:
        return Verdict(f"it comes out on {begins:%Y-%m-%d %H:%M} UTC", begins)
    ends = next(_dates(named, ENDS), None)
    if ends and ends <= now:
        return Verdict(f"it expired on {ends:%Y-%m-%d %H:%M} UTC")
    return Verdict(until=ends)


def _dates(named: Mapping[str, object], names: tuple[str, ...]) -> Iterator[datetime]:
    for name in names:
        if moment := parse_date(named.get(name)):
            yield moment


def _is_said(value: object) -> bool:
    """Whether a mark holds. One with a value that is neither yes nor no was set by somebody who meant it."""
    return value is not None and _text(value) not in FALSE | {"", "none", "null"}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return " ".join(str(value).lower().split())
    return value.isoformat() if isinstance(value, date) else ""
