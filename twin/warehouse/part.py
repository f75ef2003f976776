"""What every part of the warehouse stands on: one shared connection, and reading in the order of ids."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from twin.warehouse.conversion import from_row

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from pymongo.database import Database

    from twin.warehouse.connection import Connection

__all__ = ["BATCH", "LIVE", "Part", "pages"]

PAGE = 100
"""Documents read or written at a time."""
BATCH = 1_000
"""Ids and hashes read at a time; the driver's own 16 MB of them would be 60 MB of Python objects."""
LIVE: dict[str, Any] = {"live": True}

R = TypeVar("R", bound=msgspec.Struct)
T = TypeVar("T")


class Part:
    """One concern of the warehouse, over the connection that all parts share."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def _database(self) -> Database[dict[str, Any]]:
        return self._connection.database

    def _pairs(self, collection: str, condition: dict[str, Any], field: str) -> Iterator[tuple[str, str]]:
        """Id and a field in the order of ids, from an index alone."""
        with self._connection.reaching():
            for row in self._database[collection].find(condition, {field: 1}, batch_size=BATCH).sort("_id"):
                yield row["_id"], row[field]

    def _version(self, collection: str, condition: dict[str, Any]) -> str:
        """A hash over what the documents are; equal content gives equal versions.

        A sum of hashes, so that it needs neither an order nor memory; texts are not read.
        """
        total = 0
        for pair in self._pairs(collection, condition, "hash"):
            total += int.from_bytes(hashlib.sha256("/".join(pair).encode()).digest(), "big")
        return f"{total % 2**256:064x}"[:32]

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
