"""A JSON file with a list of documents, as the seed system exported its warehouse."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from twin.collection.collector import finish
from twin.collection.collectors.folder import as_path
from twin.collection.faults import attempt
from twin.collection.files import stamps
from twin.collection.files.objects import draft_of
from twin.collection.refusals import refused, too_large
from twin.errors import CollectionError, InputError, SourceFailed
from twin.records import Rejected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.collection.collector import Item
    from twin.collection.session import Session
    from twin.records import Source

__all__ = ["JsonCollector", "items"]

READER = "json/2"
CHUNK_CHARS = 1 << 20
OVERHEAD = 4
"""An object may be this many times the document limit, as JSON escapes take room."""
BLANKS = " \t\r\n"


class JsonCollector:
    """Reads one object of the list at a time; fields as in a line of JSONL."""

    kind: Final = "json"
    rank: Final = 16
    complete: Final = True
    accepts = "a file ending in .json with a list of documents"

    def recognise(self, location: str) -> str | None:
        path = as_path(location)
        if path is None or path.suffix.lower() != ".json" or not path.is_file():
            return None
        return str(path) if _begins_with_list(path) else None

    def collect(self, source: Source, session: Session) -> Iterator[Item]:
        path = Path(source.location)
        read = partial(_read, path, source, session)
        return stamps.unless_unchanged(source, session, READER, [path], read)


def items(file: IO[str], limit: int) -> Iterator[Any]:
    """The items of a JSON list, one at a time, of which each has at most about `limit` characters.

    Raises:
        SourceFailed: It is not a list, or no JSON from here on; what came before is good.
    """
    decoder = json.JSONDecoder()
    number = 0
    buffer = file.read(CHUNK_CHARS).lstrip(f"\ufeff{BLANKS}")
    if not buffer.startswith("["):
        raise SourceFailed("it is not a JSON list of documents")
    position, size = 1, CHUNK_CHARS
    while True:
        while position < len(buffer) and buffer[position] in f"{BLANKS},":
            position += 1
        if buffer.startswith("]", position):
            return
        try:
            item, end = decoder.raw_decode(buffer, position)
        except RecursionError:
            raise SourceFailed(f"item {number + 1} is nested too deep; what comes after it is not read") from None
        except json.JSONDecodeError as error:
            more = file.read(size)
            if not more or len(buffer) - position > limit:
                raise SourceFailed(
                    f"item {number + 1} is not valid JSON ({error.msg}), or too large; what comes after it is not read"
                ) from None
            buffer, position, size = buffer[position:] + more, 0, size * 2
            continue
        number += 1
        position, size = end, CHUNK_CHARS
        yield item


def _begins_with_list(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(1_024).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")
    except OSError:
        return False


def _read(path: Path, source: Source, session: Session) -> Iterator[Item]:
    empty = True
    try:
        with path.open(encoding="utf-8", errors="strict") as file:
            for number, record in enumerate(items(file, session.settings.max_bytes * OVERHEAD), 1):
                empty = False
                place = f"{path.as_uri()}#{number}"
                yield attempt(place, partial(_document, record, number, source, session))
    except CollectionError as error:
        raise SourceFailed(f"{path}: {error}.") from None
    except UnicodeDecodeError as error:
        raise SourceFailed(f"{path} is not UTF-8: {error.reason}. Save it as UTF-8.") from None
    except OSError as error:
        raise SourceFailed(f"{path} cannot be read: {error.strerror or error}.") from None
    if empty:
        raise SourceFailed(f"{path} has no documents: its list is empty.")


def _document(record: object, number: int, source: Source, session: Session) -> Item:
    max_bytes = session.settings.max_bytes
    file_url = Path(source.location).as_uri()
    try:
        draft = draft_of(record, file_url)
    except InputError as error:
        raise SourceFailed(f"item {number}: {error}") from None
    size = len(draft.content.encode("utf-8", "surrogatepass"))
    if size > max_bytes:
        return refused(draft.url, f"item {number}: {too_large(size, max_bytes)}")
    outcome = finish(draft, source, session)
    return refused(outcome.url, f"item {number}: {outcome.reason}") if isinstance(outcome, Rejected) else outcome


COLLECTOR = JsonCollector()
