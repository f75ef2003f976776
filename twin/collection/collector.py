"""What a collector is, and the one place where what it found becomes a document or a rejection."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Protocol, TypeAlias

import msgspec

from twin.records import Document, Gone, Rejected, Unchanged, Visit, document_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.collection.session import Session
    from twin.records import DocumentKind, Source

__all__ = ["Collector", "Draft", "Item", "failed", "finish", "parse_date", "refused", "too_large"]

Item: TypeAlias = Document | Rejected | Gone | Unchanged | Visit
"""What a collector gives. A `Visit` follows the documents that it stands for: it is kept when they are."""

TIMESTAMP = re.compile(
    r"(\d{4})[-/](\d\d?)[-/](\d\d?)"
    r"(?:(?:[Tt]|[ \t]+)(\d\d?):(\d\d)(?::(\d\d)(?:[.,]\d*)?)?[ \t]*(?:Z|z|UTC|GMT|([+-])(\d\d?):?(\d\d)?)?)?"
)
"""A day, or a moment, as YAML and the static site generators write it: `2019-03-04 22:44:26 -0700`."""
WRITTEN_DATES = ("%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%d %b %Y")


class Collector(Protocol):
    """One kind of source. Stateless: a collector can be used for any number of sources, from any thread."""

    @property
    def kind(self) -> str:
        """What `Source.kind` says."""
        ...

    @property
    def rank(self) -> int:
        """Collectors are asked in this order, the lowest first: the more particular a location, the lower."""
        ...

    @property
    def complete(self) -> bool:
        """Whether what it gives is all that the source has, so that what is missing there has vanished."""
        ...

    @property
    def accepts(self) -> str:
        """The locations it takes, in words, for error messages."""
        ...

    def recognise(self, location: str) -> str | None:
        """The canonical form of `location` when it is of this kind, else None."""
        ...

    def collect(self, source: Source, session: Session) -> Iterator[Item]:
        """See `twin.collection.collect`."""
        ...


class Draft(msgspec.Struct, kw_only=True):
    """What a collector found, before it is known whether it makes a document."""

    url: str
    """The canonical location; the document's id comes from it."""
    title: str
    content: str
    author: str | None = None
    kind: DocumentKind = "article"
    platform: str = "file"
    published_at: datetime | None = None
    language: str | None = None


def finish(draft: Draft, source: Source) -> Document | Rejected:
    """The document that `draft` makes, or why it makes none."""
    if not draft.content.strip():
        return refused(draft.url, "it has no text")
    author = draft.author or source.author
    if not author:
        return refused(draft.url, "it does not say who wrote it: name the author with --author")
    try:
        identity = document_id(draft.url)
    except UnicodeEncodeError as error:
        return refused(draft.url, f"its location is not valid Unicode: {error.reason}")
    return Document(
        id=identity,
        url=draft.url,
        source_id=source.id,
        author=author,
        title=" ".join(draft.title.split()) or draft.url,
        content=draft.content,
        kind=draft.kind,
        platform=draft.platform,
        published_at=draft.published_at,
        language=draft.language,
    )


def refused(url: str, reason: str) -> Rejected:
    """We decided not to take it."""
    return Rejected(url=url, reason=reason, refused=True)


def failed(url: str, reason: str) -> Rejected:
    """We could not get or read it."""
    return Rejected(url=url, reason=reason, refused=False)


def too_large(size: int | None, limit: int) -> str:
    """The reason of a refusal for size. `size` in bytes; None when reading stopped at the limit."""
    found = f"it has {size:,} bytes" if size is not None else "it is larger"
    return f"too large: {found}; at most {limit:,} are read (COLLECTION_MAX_BYTES raises that)"


def parse_date(value: object) -> datetime | None:
    """A date as documents give it, in UTC and to the second; None when it cannot be told.

    Without a time zone it is taken as UTC. To the second, because a database that keeps milliseconds must give back
    exactly what it was given.
    """
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day, tzinfo=UTC)
    elif isinstance(value, str):
        moment = _parse_text(value.strip())
    else:
        return None
    if moment is None:
        return None
    try:
        zoned = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:  # year 1 or 9999 with an offset that leads out of the calendar
        return None
    return zoned.replace(microsecond=0)


def _parse_text(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    if found := TIMESTAMP.fullmatch(text):
        return _moment(found)
    for pattern in WRITTEN_DATES:
        try:
            return datetime.strptime(text, pattern).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def _moment(found: re.Match[str]) -> datetime | None:
    numbers = [int(part or 0) for part in found.groups()[:6]]
    sign, hours, minutes = found.groups()[6:]
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        return datetime(*numbers, tzinfo=timezone(-offset if sign == "-" else offset))
    except ValueError:  # no such day, or a zone a day away
        return None
