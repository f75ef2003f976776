"""The whole warehouse as lines of JSON, out and in again: a backup, and the way to another machine.

The first line says what the file is. Every other line is one row of one collection as MongoDB has it, in its relaxed
extended JSON. What can be made again (cleaned documents, visits) and what holds for one machine (locks, runs) is not in
it.
"""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import bson
import msgspec
from bson import json_util
from bson.errors import BSONError
from pymongo import ReplaceOne

from twin.errors import InputError
from twin.records import Document, Interaction, Source, document_id
from twin.warehouse.conversion import from_row, storable_time
from twin.warehouse.feedback import Feedback
from twin.warehouse.looks import LastLook
from twin.warehouse.outcomes import Problem
from twin.warehouse.part import Part
from twin.warehouse.revisions import Revisions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from twin.warehouse.connection import Connection

__all__ = ["FORMAT", "VERSION", "BadLine", "Imported", "Transfer", "is_header"]

FORMAT = "llm-twin warehouse"
VERSION = 1
READ_ROWS = 50
"""Asked of MongoDB at a time; by itself it answers with as many as fit into 16 MB."""
BATCH_ROWS = 200
BATCH_BYTES = 8_000_000
MAX_BAD_LINES = 1_000
"""As many are told apart; the others are counted."""
MAX_ROW_BYTES = 16_000_000
MAX_DEPTH = 100
MALFORMED = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    OverflowError,
    RecursionError,
    BSONError,
    msgspec.MsgspecError,
)
"""What reading a line that somebody made up, and writing it as MongoDB would, may raise."""
OPTIONS = json_util.RELAXED_JSON_OPTIONS.with_options(tz_aware=True, tzinfo=UTC)
EARLIEST = datetime.min.replace(tzinfo=UTC)


class BadLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line that was not taken."""

    line: int
    reason: str


class Imported(msgspec.Struct, kw_only=True):
    """What an import did: rows by collection and by what became of them."""

    added: dict[str, int] = {}
    replaced: dict[str, int] = {}
    kept: dict[str, int] = {}
    """Those of which the warehouse had the same, or a later state."""
    bad: int = 0
    bad_lines: list[BadLine] = []

    @property
    def rows(self) -> int:
        """Rows that could be read."""
        return sum(sum(each.values()) for each in (self.added, self.replaced, self.kept))

    def count(self, fate: Literal["added", "replaced", "kept"], collection: str, rows: int) -> None:
        """Adds to a count."""
        counts: dict[str, int] = getattr(self, fate)
        if rows:
            counts[collection] = counts.get(collection, 0) + rows

    def reject(self, line: int, reason: str) -> None:
        """Notes a line that is not taken."""
        self.bad += 1
        if len(self.bad_lines) < MAX_BAD_LINES:
            self.bad_lines.append(BadLine(line=line, reason=reason))


class _Kind(msgspec.Struct, frozen=True):
    """How the rows of a collection are checked, and which of two with one id is later."""

    check: Callable[[dict[str, Any]], object]
    order: Callable[[dict[str, Any]], tuple]
    """Greater for a later state; rows of equal order are taken for the same."""
    fields: tuple[str, ...] = ()
    """What `order` needs."""


def _check_document(row: dict[str, Any]) -> None:
    document = from_row(row, Document)
    if row.get("hash") != document.hash:
        raise ValueError("its hash does not fit its content")


def _check_source(row: dict[str, Any]) -> None:
    from_row(row, Source)
    if "last_look" in row:
        from_row(row["last_look"], LastLook)


def _check_raw(row: dict[str, Any]) -> None:
    _check_document(row)
    if row["_id"] != document_id(row["url"]) or not isinstance(row.get("live"), bool):
        raise ValueError("its id does not fit its location, or it does not say whether it is live")


def _moment(row: dict[str, Any], *names: str) -> datetime:
    return max((row[name] for name in names if isinstance(row.get(name), datetime)), default=EARLIEST)


KINDS = {
    "sources": _Kind(_check_source, lambda row: (_moment(row.get("last_look") or {}, "at"),), ("last_look",)),
    "raw_documents": _Kind(
        _check_raw,
        lambda row: (row["revision"], _moment(row, "observed_at", "removed_at")),
        ("revision", "observed_at", "removed_at", "hash"),
    ),
    "revisions": _Kind(_check_document, lambda _: ()),
    "outcomes": _Kind(lambda row: from_row(row, Problem), lambda row: (_moment(row, "at"),), ("at",)),
    "interactions": _Kind(
        lambda row: from_row(row, Interaction), lambda row: (_moment(row, "created_at"),), ("created_at",)
    ),
    "feedback": _Kind(lambda row: from_row(row, Feedback), lambda row: (_moment(row, "at"),), ("at",)),
}
"""The collections that make up a warehouse, in the order of the file: documents never come before their sources."""


def is_header(line: bytes | str) -> bool:
    """Whether a first line says that a warehouse follows."""
    try:
        header = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(header, dict) and header.get("format") == FORMAT


class Transfer(Part):
    """The part of the warehouse that exports and imports it."""

    def __init__(self, connection: Connection, clock: Callable[[], datetime]) -> None:
        super().__init__(connection)
        self._clock = clock

    def export_lines(self) -> Iterator[str]:
        """The warehouse, line by line, each with its line feed; equal warehouses give equal lines.

        Call it while holding the publishing lock, so that the lines belong together.
        """
        yield _line({"format": FORMAT, "version": VERSION})
        with self._connection.reaching():
            for name in KINDS:
                for row in self._database[name].find().sort("_id").batch_size(READ_ROWS):
                    yield _line({"collection": name, "row": row})

    def import_lines(self, lines: Iterable[bytes | None]) -> Imported:
        """Brings in what `export_lines` gave; the same lines once more change nothing.

        Where the warehouse has a row of the same id, the later state stays; a document that is replaced is kept among
        the revisions. A line that cannot be read (or is None: too long) is noted, and the rest goes on. Call it while
        holding the publishing lock.

        Raises:
            InputError: The first line is not that of an export, or of a later version's.
        """
        numbered = enumerate(lines, 1)
        _check_header(next(numbered, (1, b""))[1])
        report = Imported()
        with self._connection.reaching():
            self._connection.ensure_indexes()
            rows = _rows(numbered, report)
            for name, group in itertools.groupby(rows, key=lambda each: each[0]):
                for batch in _batches(group):
                    self._merge(name, batch, report)
        return report

    def _merge(self, name: str, rows: list[dict[str, Any]], report: Imported) -> None:
        kind, collection = KINDS[name], self._database[name]
        latest: dict[str, dict[str, Any]] = {}
        for row in rows:
            known = latest.get(row["_id"])
            latest[row["_id"]] = row if known is None or kind.order(row) > kind.order(known) else known
        fields = dict.fromkeys(kind.fields, 1) | {"_id": 1}
        stored = {row["_id"]: row for row in collection.find({"_id": {"$in": sorted(latest)}}, fields)}
        new = [row for key, row in latest.items() if key not in stored]
        later = [row for key, row in latest.items() if key in stored and kind.order(row) > kind.order(stored[key])]
        if name == "raw_documents":
            changed = [row["_id"] for row in later if stored[row["_id"]]["hash"] != row["hash"]]
            Revisions(self._database, (), storable_time(self._clock())).archive(changed)
        if writes := [ReplaceOne({"_id": row["_id"]}, row, upsert=True) for row in (*new, *later)]:
            collection.bulk_write(writes, ordered=False)
        report.count("added", name, len(new))
        report.count("replaced", name, len(later))
        report.count("kept", name, len(rows) - len(new) - len(later))


def _line(value: dict[str, Any]) -> str:
    return json_util.dumps(value, json_options=OPTIONS, ensure_ascii=False, separators=(",", ":")) + "\n"


def _check_header(line: bytes | None) -> None:
    if line is None or not is_header(line):
        raise InputError("This is no export of a warehouse: its first line does not say so.")
    version = json.loads(line).get("version")
    if version != VERSION:
        raise InputError(f"This export has format version {version}; this llm-twin reads version {VERSION}. Update it.")


def _rows(numbered: Iterator[tuple[int, bytes | None]], report: Imported) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows that can be stored, with their collection."""
    for number, line in numbered:
        if line is None:
            report.reject(number, "the line is longer than any row can be")
            continue
        if not line.strip():
            continue
        try:
            yield _row(line)
        except (InputError, *MALFORMED) as error:
            report.reject(number, f"it is not a row of a warehouse: {error or type(error).__name__}"[:300])


def _row(line: bytes) -> tuple[str, dict[str, Any]]:
    read = json_util.loads(line.decode("utf-8"), json_options=OPTIONS)
    name, row = read["collection"], read["row"]
    if name not in KINDS:
        raise InputError(f"there is no collection {name!r}")
    if not isinstance(row.get("_id"), str):
        raise InputError("it has no id")
    KINDS[name].check(row)
    if len(bson.encode(row)) > MAX_ROW_BYTES:
        raise InputError(f"it is larger than the {MAX_ROW_BYTES:,} bytes that MongoDB holds")
    if _depth(row) > MAX_DEPTH:
        raise InputError(f"it is nested deeper than the {MAX_DEPTH} levels that MongoDB holds")
    return name, row


def _depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)


def _batches(rows: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    size = 0
    for _, row in rows:
        batch.append(row)
        size += len(row.get("content") or "")
        if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
