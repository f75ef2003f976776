"""Whether files are as they were at the last look, told by the file system without reading them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from twin.collection.withheld import marks
from twin.errors import SourceFailed
from twin.records import Document, Rejected, Unchanged, Visit, Withheld, content_hash

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from twin.collection.collector import Item
    from twin.collection.session import Session
    from twin.records import Source
    from twin.settings import SourceSettings

__all__ = ["Look", "earliest", "is_settled", "look", "reader_of", "stamp", "unless_unchanged", "until_of"]

SETTLED_SECONDS = 2.0
"""A file that changed less than this ago may change again without its time telling so: it is read again next time."""
LISTED_DOCUMENTS = 10_000
"""A visit names the documents that it stands for up to this many; more would not fit into one record."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What the file system says of some files."""

    stamp: str
    settled: bool
    """Whether the stamp will differ after every later change."""


def stamp(found: os.stat_result) -> str:
    """Differs when the file was written or replaced in between."""
    return f"{found.st_size}:{found.st_mtime_ns}:{found.st_ino}"


def is_settled(found: os.stat_result, now: datetime) -> bool:
    """Whether every later change of a file will change its stamp."""
    return now.timestamp() - found.st_mtime >= SETTLED_SECONDS


def look(paths: Iterable[Path], now: datetime) -> Look:
    """One stamp for all of `paths`, which are in a fixed order.

    Raises:
        OSError: One of them is not there, or cannot be looked at.
    """
    found = [path.stat() for path in paths]
    settled = all(is_settled(each, now) for each in found)
    stamps = [stamp(each) for each in found]
    return Look(stamp=stamps[0] if len(stamps) == 1 else content_hash(*stamps), settled=settled)


def reader_of(name: str, source: Source, settings: SourceSettings) -> str:
    """`Visit.reader` of a collector's version: what else decides over its documents is part of it."""
    drafts = "drafts" if source.include_drafts or settings.include_drafts else None
    return f"{name} {content_hash(source.author, str(settings.max_bytes), marks.VERSION, drafts)[:12]}"


def until_of(item: Item) -> datetime | None:
    """When the same file gives something else than this, where that is known."""
    match item:
        case Document():
            return item.expires_at
        case Withheld() | Visit():
            return item.until
    return None


def earliest(moments: Iterable[datetime | None]) -> datetime | None:
    """The first of some moments, None where there is none."""
    return min((moment for moment in moments if moment), default=None)


def unless_unchanged(
    source: Source,
    session: Session,
    reader: str,
    paths: list[Path],
    read: Callable[[], Iterator[Item]],
    *,
    may_heal: bool = False,
) -> Iterator[Item]:
    """What `read` gives of a source that is the files `paths`; `Unchanged()` when they are as at the last look.

    A single file that was only touched, or copied to its place again, is known by its content. With `may_heal`, what
    failed may succeed without a change to the files, so a look in which something failed is not remembered.

    Raises:
        SourceFailed: A file cannot be looked at, or changed while it was read.
    """
    url = Path(source.location).as_uri()
    reader = reader_of(reader, source, session.settings)
    last = session.memory.visit(source, url)
    if last and last.reader != reader:
        last = None
    before = _look(source, session, paths)
    if last and last.last_modified == before.stamp:
        yield Unchanged()
        return
    digest = _content_digest(source, paths[0]) if len(paths) == 1 else before.stamp
    whole, documents, until = True, last.documents if last else [], last.until if last else None
    if last and last.digest == digest:
        yield Unchanged()
    else:
        documents, until = [], None
        for item in read():
            until = earliest((until, until_of(item)))
            whole = whole and not (may_heal and isinstance(item, Rejected) and not item.refused)
            if isinstance(item, Document) and len(documents) <= LISTED_DOCUMENTS:
                documents.append(item.url)
            yield item
    if _look(source, session, paths).stamp != before.stamp:
        raise SourceFailed(f"{source.location} changed while it was read: the next ingest reads it again.")
    if whole:
        told = before.stamp if before.settled else None
        listed = documents if len(documents) <= LISTED_DOCUMENTS else []
        yield Visit(url=url, reader=reader, documents=listed, last_modified=told, digest=digest, until=until)


def _look(source: Source, session: Session, paths: list[Path]) -> Look:
    try:
        return look(paths, session.clock())
    except OSError as error:
        raise SourceFailed(f"{source.location} cannot be read: {error.strerror or error}.") from None


def _content_digest(source: Source, path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceFailed(f"{source.location} cannot be read: {error.strerror or error}.") from None
