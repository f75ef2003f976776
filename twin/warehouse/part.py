"""What every part of the warehouse stands on: the connection, the indexes, and reading in the order of ids."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self, TypeVar

import msgspec

from twin.records import utcnow
from twin.warehouse.connection import Connection
from twin.warehouse.conversion import from_row

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from datetime import datetime

    from pymongo.database import Database

__all__ = ["BATCH", "LIVE", "Base", "pages"]

PAGE = 100
"""Documents read or written at a time."""
BATCH = 1_000
"""Ids and hashes read at a time; the driver's own 16 MB of them would be 60 MB of Python objects."""
LIVE: dict[str, Any] = {"live": True}

R = TypeVar("R", bound=msgspec.Struct)
T = TypeVar("T")


class Base:
    """A database of a MongoDB server. Connects on first use; safe to share between threads."""

    def __init__(
        self,
        uri: str,
        database: str,
        *,
        timeout_seconds: float = 5.0,
        max_vanished_share: float = 0.5,
        clock: Callable[[], datetime] = utcnow,
    ) -> None:
        self._connection = Connection(uri, database, timeout_seconds=timeout_seconds)
        self._max_vanished_share = max_vanished_share
        self._clock = clock
        self._indexed = False
        self._indexing = threading.Lock()

    @property
    def host(self) -> str:
        """The server, without credentials."""
        return self._connection.host

    def ping(self) -> None:
        """Returns when the server has answered."""
        with self._connection.reaching():
            self._database.command("ping")

    def close(self) -> None:
        """Closes the connections; the next use opens them again."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _database(self) -> Database[dict[str, Any]]:
        return self._connection.database

    def _ensure_indexes(self) -> None:
        """Every index that a query here needs; those over hashes answer fingerprints without reading documents."""
        with self._indexing:
            if self._indexed:
                return
            raw, cleaned = self._database["raw_documents"], self._database["cleaned_documents"]
            raw.create_index([("live", 1), ("_id", 1), ("hash", 1)])
            raw.create_index([("live", 1), ("author", 1)])
            raw.create_index([("source_id", 1), ("live", 1), ("_id", 1), ("url", 1)])
            cleaned.create_index([("canonical", 1), ("_id", 1), ("hash", 1), ("input", 1)])
            cleaned.create_index([("text_hash", 1), ("seniority", 1), ("_id", 1)])
            cleaned.create_index([("bands", 1)], sparse=True)
            cleaned.create_index([("canonical", 1), ("inspected", 1), ("_id", 1), ("hash", 1)])
            cleaned.create_index([("whole", 1), ("_id", 1)], partialFilterExpression={"whole": False})
            cleaned.create_index(
                [("unlinked", 1), ("seniority", 1), ("_id", 1)], partialFilterExpression={"unlinked": True}
            )
            cleaned.create_index([("duplicate_of", 1), ("_id", 1)], partialFilterExpression={"canonical": False})
            self._database["interactions"].create_index([("created_at", 1), ("_id", 1)])
            self._database["visits"].create_index([("documents", 1), ("source_id", 1)])
            self._database["outcomes"].create_index([("state", 1), ("source_id", 1)])
            self._database["runs"].create_index([("started_at", -1)])
            self._indexed = True

    def _pairs(self, collection: str, condition: dict[str, Any], field: str) -> Iterator[tuple[str, str]]:
        """Id and a field in the order of ids, from an index alone."""
        with self._connection.reaching():
            for row in self._database[collection].find(condition, {field: 1}, batch_size=BATCH).sort("_id"):
                yield row["_id"], row[field]

    def _read(
        self, collection: str, condition: dict[str, Any], ids: Collection[str] | None, record: type[R]
    ) -> Iterator[R]:
        conditions = (
            [condition] if ids is None else [{**condition, "_id": {"$in": page}} for page in pages(sorted(ids))]
        )
        with self._connection.reaching():
            for selected in conditions:
                for row in self._database[collection].find(selected).sort("_id"):
                    yield from_row(row, record)


def pages(items: Iterable[T], size: int = PAGE) -> Iterator[list[T]]:
    """The items in lists of `size`, the last one shorter."""
    page: list[T] = []
    for item in items:
        page.append(item)
        if len(page) == size:
            yield page
            page = []
    if page:
        yield page
