"""Cleaned documents: the form that every later step reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymongo import ReplaceOne, UpdateOne

from twin.records import CleanedDocument
from twin.warehouse.base import Base, pages
from twin.warehouse.conversion import to_row

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import datetime

__all__ = ["CANONICAL", "CleanedDocuments"]

CANONICAL: dict[str, Any] = {"canonical": True}
WITH_COPIES: dict[str, Any] = {"canonical": {"$in": [True, False]}}
"""Every cleaned document, in a form that an index answers; an empty condition would read them all."""


class CleanedDocuments(Base):
    """The part of the warehouse that cleaning writes."""

    def cleaned_fingerprints(self) -> dict[str, str]:
        """`CleanedDocument.hash` of every canonical cleaned document, by id: what later steps derive from."""
        return dict(self.cleaned_fingerprint_stream())

    def cleaned_inputs(self) -> dict[str, str]:
        """The fingerprint that each document was cleaned from, by id; copies included."""
        return dict(self.cleaned_input_stream())

    def cleaned_input_stream(self) -> Iterator[tuple[str, str]]:
        """The pairs of `cleaned_inputs` in the order of their ids, without holding them all."""
        return self._pairs("cleaned_documents", WITH_COPIES, "input")

    def cleaned_fingerprint_stream(self) -> Iterator[tuple[str, str]]:
        """The pairs of `cleaned_fingerprints` in the order of their ids, without holding them all."""
        return self._pairs("cleaned_documents", CANONICAL, "hash")

    def write_cleaned(self, documents: Iterable[tuple[CleanedDocument, str]]) -> None:
        """Stores cleaned documents, each with the fingerprint of what it was cleaned from, replacing earlier ones."""
        with self._connection.reaching():
            self._ensure_indexes()
            for page in pages(documents):
                rows = [_cleaned_row(document, cleaned_from) for document, cleaned_from in page]
                writes = [ReplaceOne({"_id": row["_id"]}, row, upsert=True) for row in rows]
                self._database["cleaned_documents"].bulk_write(writes, ordered=False)

    def remove_cleaned(self, ids: Iterable[str]) -> None:
        """Removes cleaned documents. The raw ones stay, with their tombstones."""
        with self._connection.reaching():
            for page in pages(ids):
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
            for page in pages(changed):
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


def _cleaned_row(document: CleanedDocument, cleaned_from: str) -> dict[str, Any]:
    canonical = document.duplicate_of is None
    return {**to_row(document), "hash": document.hash, "input": cleaned_from, "canonical": canonical}
