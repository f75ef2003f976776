"""Every way a document comes in: folders, JSONL files, git repositories and web articles.

A new kind of source is one file with a `Collector` in it, named in `COLLECTORS` below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.collection.article import ArticleCollector
from twin.collection.base import Collector
from twin.collection.folder import FolderCollector
from twin.collection.jsonl import JsonlCollector
from twin.collection.repository import RepositoryCollector
from twin.errors import InputError
from twin.records import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.records import Document, Rejected
    from twin.settings import SourceSettings

__all__ = ["COLLECTORS", "Collector", "collect", "detect"]

COLLECTORS: tuple[Collector, ...] = (
    JsonlCollector(),
    RepositoryCollector(),
    FolderCollector(),
    ArticleCollector(),
)
"""Asked in this order; the first that recognises a location has it."""


def detect(location: str, author: str | None = None) -> Source:
    """The source at `location`, a path or a URL. Looks at the file system, never at the network.

    `author` is whose documents they are, where a document does not say so itself.

    Raises:
        InputError: No collector takes this location; the message lists what is accepted.
    """
    location = location.strip()
    author = (author or "").strip() or None
    for collector in COLLECTORS:
        if canonical := collector.recognise(location):
            return Source(kind=collector.kind, location=canonical, author=author)
    accepted = "; ".join(collector.accepts for collector in COLLECTORS)
    raise InputError(f"Nothing to read at {location!r}. Accepted: {accepted}.")


def collect(source: Source, settings: SourceSettings) -> Iterator[Document | Rejected]:
    """The documents of `source`, one at a time and in the same order every time.

    A document that cannot be taken comes as a `Rejected` with its reason, and the rest goes on. The author is who the
    document names, else `source.author`; a document with neither is refused.

    Raises:
        SourceFailed: The source as a whole cannot be read, or is empty. Raised from the iterator, so what it gave
            before is not the whole source.
    """
    collector = next(collector for collector in COLLECTORS if collector.kind == source.kind)
    return collector.collect(source, settings)
