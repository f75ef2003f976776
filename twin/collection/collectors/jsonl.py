"""A JSONL file: one document a line."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec

from twin.collection.collector import finish
from twin.collection.collectors.folder import as_path
from twin.collection.faults import attempt
from twin.collection.files import stamps
from twin.collection.files.objects import draft_of
from twin.collection.refusals import refused, too_large
from twin.errors import InputError, SourceFailed, SourceRefused
from twin.records import Rejected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.collection.collector import Draft, Item
    from twin.collection.session import Session
    from twin.records import Source

__all__ = ["ENDINGS", "JsonlCollector", "parse"]

READER = "jsonl/3"
ENDINGS = frozenset({".jsonl", ".ndjson"})
MAX_LINE_OVERHEAD = 4
"""A line may be this many times the document limit, as JSON escapes take room."""
SKIPPED_BYTES = 1 << 20


class JsonlCollector:
    """Reads a line at a time. A bad line is rejected with its number, and the rest goes on.

    Fields: `content` (markdown, or a mapping of part names to text), `url` or `id`, and optionally `title`, `subtitle`,
    `author`, `platform`, `published_at`, `language`, `kind`.
    """

    kind: Final = "jsonl"
    rank: Final = 10
    complete: Final = True
    accepts = f"a file ending in {' or '.join(sorted(ENDINGS))} with a document a line"

    def recognise(self, location: str) -> str | None:
        path = as_path(location)
        return str(path) if path and path.is_file() and path.suffix.lower() in ENDINGS else None

    def collect(self, source: Source, session: Session) -> Iterator[Item]:
        path = Path(source.location)
        return stamps.unless_unchanged(source, session, READER, [path], partial(_read, path, source, session))


def parse(line: bytes | str, fallback_url: str) -> Draft:
    """The document in one line of JSON.

    `fallback_url` is the file's own location; a record without a `url` is placed at `fallback_url#id`.

    Raises:
        InputError: The line is not JSON, is not an object, or lacks what a document needs.
    """
    try:
        record = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"not valid JSON: {error}") from None
    return draft_of(record, fallback_url)


def _read(path: Path, source: Source, session: Session) -> Iterator[Item]:
    empty = True
    try:
        with path.open("rb") as file:
            for number, line in _lines(file, session.settings.max_bytes * MAX_LINE_OVERHEAD):
                empty = False
                yield attempt(f"{path.as_uri()}#L{number}", partial(_collect_line, line, number, source, session))
    except OSError as error:
        raise SourceFailed(f"{path} cannot be read: {error.strerror or error}.") from None
    if empty:
        raise SourceFailed(f"{path} has no documents: it needs one JSON object a line.")


def _collect_line(line: bytes | None, number: int, source: Source, session: Session) -> Item:
    settings = session.settings
    if line is None or len(line) > settings.max_bytes * MAX_LINE_OVERHEAD:
        raise SourceRefused(f"line {number}: {too_large(None, settings.max_bytes)}")
    try:
        draft = parse(line, Path(source.location).as_uri())
    except InputError as error:
        raise SourceFailed(f"line {number}: {error}") from None
    size = len(draft.content.encode("utf-8", "surrogatepass"))
    if size > settings.max_bytes:
        return refused(draft.url, f"line {number}: {too_large(size, settings.max_bytes)}")
    outcome = finish(draft, source, session)
    if isinstance(outcome, Rejected):
        return refused(outcome.url, f"line {number}: {outcome.reason}")
    return outcome


def _lines(file: BinaryIO, limit: int) -> Iterator[tuple[int, bytes | None]]:
    """Line numbers from 1 and their bytes, blank lines left out; None for a line longer than `limit` bytes."""
    number = 0
    while line := file.readline(limit + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if len(line) > limit and not line.endswith(b"\n"):
            while (rest := file.readline(SKIPPED_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield number, None
        elif line.strip():
            yield number, line


COLLECTOR = JsonlCollector()
