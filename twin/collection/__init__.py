"""Every way a document comes in: folders, exports, feeds, repositories, web articles.

A new kind of source is one file in `twin.collection.collectors` with a `Collector` in it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from twin.collection.collector import Collector, Item
from twin.collection.registry import all_collectors, collector_of
from twin.collection.session import Memory, Session
from twin.errors import InputError
from twin.records import Document, Rejected, Source, Withheld

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.settings import SourceSettings

__all__ = ["NO_PATH", "Collector", "Item", "Memory", "Session", "collect", "collector_of", "detect", "look"]

NO_PATH = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:|[\w.-]+@[\w.-]+:")
"""How a URL, a prefix such as `feed:`, and a place that git reaches by ssh begin."""
LIKE_A_HOST = re.compile(r"[\w-]+(?:\.[\w-]+)+(?:/|$)")
MAX_SHOWN = 500
"""Characters of a location that a message repeats."""


def detect(location: str, author: str | None = None) -> Source:
    """The source at `location`, a path or a URL. Looks at the file system, never at the network.

    `author` is whose documents they are, where a document does not say so itself.

    Raises:
        InputError: It does not exist, or no collector takes it; then the message lists what is accepted.
    """
    location = location.strip()
    author = (author or "").strip() or None
    for collector in all_collectors():
        try:
            canonical = collector.recognise(location)
        except PermissionError as error:
            raise InputError(f"{location!r} cannot be looked at: {error.strerror}. Check who may read it.") from None
        except (OSError, ValueError):  # a name too long for the system or not valid Unicode, or half a URL
            continue
        if canonical:
            return Source(kind=collector.kind, location=canonical, author=author)
    if not NO_PATH.match(location) and _is_missing(location):
        or_url = " If it is on the web, begin it with https://." if LIKE_A_HOST.match(location) else ""
        raise InputError(f"{location[:MAX_SHOWN]!r} does not exist: check the path.{or_url}")
    accepted = "; ".join(collector.accepts for collector in all_collectors())
    raise InputError(f"Nothing to read at {location[:MAX_SHOWN]!r}. Accepted: {accepted}.")


def _is_missing(path: str) -> bool:
    try:
        Path(path).expanduser().stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, RuntimeError, ValueError):  # what the system takes for no name at all, or for nobody's home
        return False
    return False


def collect(source: Source, session: Session) -> Iterator[Item]:
    """What `source` has, one item at a time and in the same order every time.

    A document that cannot be taken comes as a `Rejected` with its reason, and the rest goes on. The author is who the
    document names, else `source.author`; a document with neither is refused.

    Raises:
        SourceFailed: The source as a whole cannot be read, or is empty. Raised from the iterator, so what it gave
            before is not the whole source.
    """
    return collector_of(source.kind).collect(source, session)


def look(source: Source, settings: SourceSettings) -> Iterator[Document | Rejected | Withheld]:
    """What `source` has at a first look that nobody remembers: its documents, and what is none; see `collect`."""
    with Session(settings) as session:
        yield from (item for item in collect(source, session) if isinstance(item, Document | Rejected | Withheld))
