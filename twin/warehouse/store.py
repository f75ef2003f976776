"""The warehouse: everything that is kept in MongoDB, as records."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec
from pymongo import ReplaceOne, UpdateOne

from twin.errors import UnknownName
from twin.records import CleanedDocument, Document, Interaction, Rejected, Source, utcnow
from twin.warehouse import lease
from twin.warehouse.connection import Connection
from twin.warehouse.conversion import from_row, to_row
from twin.warehouse.ingest import IngestReport, Observation

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime

    from pymongo.database import Database

__all__ = ["Warehouse"]

PAGE = 100
"""Documents read or written at a time."""
LIVE: dict[str, Any] = {"live": True}
CANONICAL: dict[str, Any] = {"canonical": True}
WITH_COPIES: dict[str, Any] = {"canonical": {"$in": [True, False]}}
"""Every cleaned document, in a form that an index answers; an empty condition would read them all."""

R = TypeVar("R", bound=msgspec.Struct)
T = TypeVar("T")


class Warehouse:
    """Documents with revisions and tombstones, their cleaned forms, sources, interactions and the publishing lock.

    Connects on first use. Safe to share between threads. Every method raises WarehouseUnavailable when MongoDB does not
    answer within `timeout_seconds`; what was written until then is whole, and repeating the call completes it.
    """

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

    def __enter__(self) -> Warehouse:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Raw documents

    def observe(
        self,
        source: Source,
        documents: Iterable[Document | Rejected],
        *,
        complete: bool,
        confirm_vanished: bool = False,
    ) -> IngestReport:
        """Brings in what a source shows: new and changed documents are stored, unchanged ones skipped.

        A changed document gets the next revision, and the old one is kept. With `complete`, `documents` is all that the
        source has, and what it no longer shows is tombstoned; not when the source failed on the way, and not when more
        than `max_vanished_share` of it vanished at once, unless `confirm_vanished`. The report's warnings say so. A
        document that was rejected this time keeps its last good form. A CollectionError raised by `documents` is
        recorded as the outcome of the source itself.
        """
        with self._connection.reaching():
            self._ensure_indexes()
            observation = Observation(self._database, source, self._clock())
            observation.read(documents)
            if complete:
                observation.bury(max_share=self._max_vanished_share, confirmed=confirm_vanished)
            return observation.report()

    def fingerprints(self) -> dict[str, str]:
        """`Document.hash` of every live document, by id."""
        return dict(self._pairs("raw_documents", LIVE, "hash"))

    def documents(self, ids: Collection[str] | None = None) -> Iterator[Document]:
        """The live documents, or those of them with these ids, in the order of their ids."""
        return self._read("raw_documents", LIVE, ids, Document)

    def authors(self) -> list[str]:
        """The authors of the live documents, by name."""
        with self._connection.reaching():
            return sorted(self._database["raw_documents"].distinct("author", LIVE))

    # Cleaned documents

    def cleaned_fingerprints(self) -> dict[str, str]:
        """`CleanedDocument.hash` of every canonical cleaned document, by id: what later steps derive from."""
        return dict(self._pairs("cleaned_documents", CANONICAL, "hash"))

    def cleaned_inputs(self) -> dict[str, str]:
        """The fingerprint that each document was cleaned from, by id; copies included."""
        return dict(self._pairs("cleaned_documents", WITH_COPIES, "input"))

    def write_cleaned(self, documents: Iterable[tuple[CleanedDocument, str]]) -> None:
        """Stores cleaned documents, each with the fingerprint of what it was cleaned from, replacing earlier ones."""
        with self._connection.reaching():
            self._ensure_indexes()
            for page in _pages(documents):
                rows = [_cleaned_row(document, cleaned_from) for document, cleaned_from in page]
                writes = [ReplaceOne({"_id": row["_id"]}, row, upsert=True) for row in rows]
                self._database["cleaned_documents"].bulk_write(writes, ordered=False)

    def remove_cleaned(self, ids: Iterable[str]) -> None:
        """Removes cleaned documents. The raw ones stay, with their tombstones."""
        with self._connection.reaching():
            for page in _pages(ids):
                self._database["cleaned_documents"].delete_many({"_id": {"$in": page}})

    def cleaned(self, ids: Collection[str] | None = None) -> Iterator[CleanedDocument]:
        """The canonical cleaned documents in the order of their ids, or those with these ids, copies among them."""
        return self._read("cleaned_documents", CANONICAL if ids is None else {}, ids, CleanedDocument)

    def cleaned_texts(self) -> Iterator[tuple[str, str, datetime | None, str]]:
        """Id, `text_hash`, publication and URL of every cleaned document: what tells copies apart, without the text."""
        fields = {"text_hash": 1, "published_at": 1, "url": 1}
        with self._connection.reaching():
            for row in self._database["cleaned_documents"].find(WITH_COPIES, fields):
                yield row["_id"], row.get("text_hash", ""), row.get("published_at"), row["url"]

    def mark_duplicates(self, copies: Mapping[str, str]) -> int:
        """Links each copy to its canonical document, and unlinks what is no copy any more; returns how many changed."""
        documents = self._database["cleaned_documents"]
        with self._connection.reaching():
            linked = {
                row["_id"]: row["duplicate_of"] for row in documents.find({"canonical": False}, {"duplicate_of": 1})
            }
            changed = [key for key in linked.keys() | copies.keys() if linked.get(key) != copies.get(key)]
            for page in _pages(changed):
                documents.bulk_write(
                    [
                        UpdateOne(
                            {"_id": key}, {"$set": {"duplicate_of": copies.get(key), "canonical": key not in copies}}
                        )
                        for key in page
                    ],
                    ordered=False,
                )
        return len(changed)

    def data_version(self, collection: Literal["raw_documents", "cleaned_documents"]) -> str:
        """A hash over what the live (or canonical cleaned) documents are; equal content gives equal versions.

        A sum of hashes, so that it needs neither an order nor memory; texts are not read.
        """
        condition = LIVE if collection == "raw_documents" else CANONICAL
        total = 0
        for pair in self._pairs(collection, condition, "hash"):
            total += int.from_bytes(hashlib.sha256("/".join(pair).encode()).digest(), "big")
        return f"{total % 2**256:064x}"[:32]

    # Sources

    def add_source(self, source: Source) -> None:
        """Remembers a source; one that is known already is replaced."""
        row = {**to_row(source), "_id": source.id}
        with self._connection.reaching():
            self._database["sources"].replace_one({"_id": source.id}, row, upsert=True)

    def sources(self) -> list[Source]:
        """The remembered sources, by location."""
        with self._connection.reaching():
            return [from_row(row, Source) for row in self._database["sources"].find().sort("location")]

    def remove_source(self, source_id: str) -> int:
        """Forgets a source and tombstones its documents; returns how many there were.

        Raises:
            UnknownName: There is no such source.
        """
        with self._connection.reaching():
            if not self._database["sources"].count_documents({"_id": source_id}, limit=1):
                raise UnknownName(f"No source has the id {source_id}. `llm-twin sources list` shows them.")
            gone = self._database["raw_documents"].update_many(
                {"source_id": source_id, **LIVE}, {"$set": {"live": False, "removed_at": self._clock()}}
            )
            self._database["sources"].delete_one({"_id": source_id})
        return gone.modified_count

    # Interactions

    def record_interaction(self, interaction: Interaction) -> None:
        """Stores an interaction; storing it again replaces it."""
        row = to_row(interaction)
        with self._connection.reaching():
            self._ensure_indexes()
            self._database["interactions"].replace_one({"_id": row["_id"]}, row, upsert=True)

    def interactions(self, since: datetime | None = None) -> Iterator[Interaction]:
        """The interactions from `since` on, oldest first."""
        condition = {"created_at": {"$gte": since}} if since else {}
        with self._connection.reaching():
            for row in self._database["interactions"].find(condition).sort([("created_at", 1), ("_id", 1)]):
                yield from_row(row, Interaction)

    # The publishing lock

    def publish_lock(
        self, owner: str, *, lease_seconds: float = 60, wait_seconds: float = 0
    ) -> AbstractContextManager[lease.Lease]:
        """Holds the one publishing lock within the block, however long the block takes.

        Raises:
            PublishConflict: Someone else still holds it after `wait_seconds` (who, and until when, is in the message),
                or it was lost.
        """
        return lease.hold(self._connection, owner, lease_seconds, wait_seconds)

    @property
    def _database(self) -> Database[dict[str, Any]]:
        return self._connection.database

    def _ensure_indexes(self) -> None:
        """Every index that a query here needs; those over hashes answer fingerprints without reading documents."""
        if self._indexed:
            return
        raw, cleaned = self._database["raw_documents"], self._database["cleaned_documents"]
        raw.create_index([("live", 1), ("_id", 1), ("hash", 1)])
        raw.create_index([("live", 1), ("author", 1)])
        raw.create_index([("source_id", 1), ("live", 1), ("_id", 1), ("url", 1)])
        cleaned.create_index([("canonical", 1), ("_id", 1), ("hash", 1), ("input", 1)])
        cleaned.create_index([("canonical", 1), ("text_hash", 1), ("published_at", 1), ("url", 1), ("_id", 1)])
        self._database["interactions"].create_index([("created_at", 1), ("_id", 1)])
        self._indexed = True

    def _pairs(self, collection: str, condition: dict[str, Any], field: str) -> Iterator[tuple[str, str]]:
        with self._connection.reaching():
            for row in self._database[collection].find(condition, {field: 1}):
                yield row["_id"], row[field]

    def _read(
        self, collection: str, condition: dict[str, Any], ids: Collection[str] | None, record: type[R]
    ) -> Iterator[R]:
        conditions = (
            [condition] if ids is None else [{**condition, "_id": {"$in": page}} for page in _pages(sorted(ids))]
        )
        with self._connection.reaching():
            for selected in conditions:
                for row in self._database[collection].find(selected).sort("_id"):
                    yield from_row(row, record)


def _cleaned_row(document: CleanedDocument, cleaned_from: str) -> dict[str, Any]:
    canonical = document.duplicate_of is None
    return {**to_row(document), "hash": document.hash, "input": cleaned_from, "canonical": canonical}


def _pages(items: Iterable[T]) -> Iterator[list[T]]:
    page: list[T] = []
    for item in items:
        page.append(item)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page
