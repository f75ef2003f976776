"""Cleaned documents: the form that every later step reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymongo import ReplaceOne

from twin import fencing
from twin.records import CleanedDocument
from twin.warehouse.conversion import to_row
from twin.warehouse.copies import sketch_fields
from twin.warehouse.part import Part, pages

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from twin.warehouse.connection import Connection
    from twin.warehouse.copies import Copies

__all__ = ["CANONICAL", "CleanedDocuments"]

CANONICAL: dict[str, Any] = {"canonical": True}
WITH_COPIES: dict[str, Any] = {"canonical": {"$in": [True, False]}}
"""Every cleaned document, in a form that an index answers; an empty condition would read them all."""


class CleanedDocuments(Part):
    """The part of the warehouse that cleaning writes."""

    def __init__(self, connection: Connection, copies: Copies) -> None:
        super().__init__(connection)
        self._copies = copies

    def fingerprints(self) -> dict[str, str]:
        """`CleanedDocument.hash` of every canonical cleaned document, by id: what later steps derive from."""
        return dict(self._pairs("cleaned_documents", CANONICAL, "hash"))

    def inputs(self) -> dict[str, str]:
        """The fingerprint that each document was cleaned from, by id; copies included."""
        return dict(self.input_stream())

    def input_stream(self) -> Iterator[tuple[str, str]]:
        """The pairs of `inputs` in the order of their ids, without holding them all."""
        return self._pairs("cleaned_documents", WITH_COPIES, "input")

    def data_version(self) -> str:
        """A hash over what the canonical cleaned documents are; equal content gives equal versions."""
        return self._version("cleaned_documents", CANONICAL)

    def count(self) -> int:
        """How many cleaned documents there are, copies included."""
        with self._connection.reaching():
            return self._database["cleaned_documents"].count_documents(WITH_COPIES)

    def write(self, documents: Iterable[tuple[CleanedDocument, str]]) -> None:
        """Stores cleaned documents, each with the fingerprint of what it was cleaned from, replacing earlier ones.

        They have yet to be compared with the others, and so have their copies.
        """
        with self._connection.reaching():
            self._connection.ensure_indexes()
            for page in pages(documents):
                fencing.check()
                self._copies.unlink_copies_of([document.id for document, _ in page])
                rows = [_cleaned_row(document, cleaned_from) for document, cleaned_from in page]
                writes = [ReplaceOne({"_id": row["_id"]}, row, upsert=True) for row in rows]
                self._database["cleaned_documents"].bulk_write(writes, ordered=False)

    def remove(self, ids: Iterable[str]) -> None:
        """Removes cleaned documents; their copies have yet to be compared again. The raw ones stay, with tombstones."""
        with self._connection.reaching():
            for page in pages(ids):
                fencing.check()
                self._copies.unlink_copies_of(page)
                self._database["cleaned_documents"].delete_many({"_id": {"$in": page}})

    def read(self, ids: Collection[str] | None = None) -> Iterator[CleanedDocument]:
        """The canonical cleaned documents in the order of their ids, or those with these ids, copies among them."""
        return self._read("cleaned_documents", CANONICAL if ids is None else {}, ids, CleanedDocument)

    def uninspected(self) -> Iterator[list[CleanedDocument]]:
        """The canonical cleaned documents that no check has passed since they were written, a page at a time."""
        for page in pages(self._pairs("cleaned_documents", {**CANONICAL, "inspected": None}, "hash")):
            yield list(self.read([key for key, _ in page]))

    def mark_inspected(self, ids: Collection[str]) -> None:
        """Notes that a check has passed documents; writing one again takes that back."""
        with self._connection.reaching():
            self._database["cleaned_documents"].update_many(
                {"_id": {"$in": sorted(ids)}}, {"$set": {"inspected": True}}
            )

    def incomplete(self, limit: int) -> list[str]:
        """The URLs (or ids) of canonical cleaned documents that lack a title, an author, a location or text."""
        with self._connection.reaching():
            rows = self._database["cleaned_documents"].find({**CANONICAL, "whole": False}, {"url": 1})
            return [row["url"] or row["_id"] for row in rows.sort("_id").limit(limit)]

    def redaction_counts(self) -> dict[str, int]:
        """What was replaced in all cleaned documents, by kind."""
        by_kind = [
            {"$match": {"redactions": {"$ne": {}}}},
            {"$project": {"redactions": {"$objectToArray": "$redactions"}}},
            {"$unwind": "$redactions"},
            {"$group": {"_id": "$redactions.k", "count": {"$sum": "$redactions.v"}}},
            {"$sort": {"_id": 1}},
        ]
        with self._connection.reaching():
            rows = self._database["cleaned_documents"].aggregate(by_kind)
            return {row["_id"]: row["count"] for row in rows}


def _cleaned_row(document: CleanedDocument, cleaned_from: str) -> dict[str, Any]:
    canonical = document.duplicate_of is None
    told = (document.title, document.author, document.url, document.content)
    whole = all(text.strip() for text in told)
    fields = {"hash": document.hash, "input": cleaned_from, "canonical": canonical, "whole": whole}
    return {**to_row(document), **fields, **sketch_fields(document)}
