"""Which cleaned documents are copies of which, and what has yet to be compared.

Each document that was written and not yet compared is marked so, in the database: a run that was cut off is completed
by the next. Candidates are found by the bands of their signatures, through an index.
"""

from __future__ import annotations

import hashlib
from datetime import UTC
from typing import TYPE_CHECKING, Any, NamedTuple

from pymongo import UpdateOne

from twin.warehouse.part import Part, pages

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from twin.records import CleanedDocument

__all__ = ["Copies", "Link", "Sketch", "sketch_fields"]

BAND_BYTES = 16
NEVER = "9999"
"""Sorts after every date."""
SKETCH = {
    "seniority": 1,
    "text_hash": 1,
    "bands": 1,
    "signature": 1,
    "canonical": 1,
    "duplicate_of": 1,
    "similarity": 1,
}
LINKED: dict[str, Any] = {"unlinked": {"$ne": True}}


class Sketch(NamedTuple):
    """What it takes to find the documents that one may be a copy of, or that may be copies of it."""

    id: str
    seniority: str
    """Sorts as documents do that may be canonical: by date, those without one last, then by URL."""
    text_hash: str
    bands: frozenset[int]
    signature: bytes
    canonical: bool
    duplicate_of: str | None
    similarity: float | None

    @property
    def order(self) -> tuple[str, str]:
        return self.seniority, self.id


class Link(NamedTuple):
    """The outcome of comparing one document."""

    id: str
    duplicate_of: str | None
    similarity: float | None


class Copies(Part):
    """The part of the warehouse that links copies to their originals."""

    def unlinked(self, limit: int) -> list[Sketch]:
        """The most senior of the documents that have yet to be compared, in the order of seniority."""
        with self._connection.reaching():
            self._connection.ensure_indexes()
            rows = self._database["cleaned_documents"].find({"unlinked": True}, SKETCH)
            return [_sketch(row) for row in rows.sort([("seniority", 1), ("_id", 1)]).limit(limit)]

    def oldest_with_text(self, text_hashes: Iterable[str]) -> dict[str, Sketch]:
        """For each text, the most senior document that has it."""
        oldest = [
            {"$match": {"text_hash": {"$in": sorted(text_hashes)}}},
            {"$sort": {"text_hash": 1, "seniority": 1, "_id": 1}},
            {"$group": {"_id": "$text_hash", "id": {"$first": "$_id"}}},
        ]
        with self._connection.reaching():
            documents = self._database["cleaned_documents"]
            ids = [row["id"] for row in documents.aggregate(oldest)]
            found = map(_sketch, documents.find({"_id": {"$in": ids}}, SKETCH))
            return {one.text_hash: one for one in found}

    def candidates(self, sketches: Iterable[Sketch]) -> list[Sketch]:
        """The compared documents that share a band with one of these, and the originals that have the text of one."""
        sketches = list(sketches)
        bands = sorted({band for sketch in sketches for band in sketch.bands})
        texts = sorted({sketch.text_hash for sketch in sketches} - {""})
        with self._connection.reaching():
            documents = self._database["cleaned_documents"]
            same_text = documents.find({"text_hash": {"$in": texts}, "canonical": True, **LINKED}, SKETCH)
            same_band = documents.find({"bands": {"$in": bands}, **LINKED}, SKETCH)
            return list({row["_id"]: _sketch(row) for rows in (same_text, same_band) for row in rows}.values())

    def compared_copies_of(self, ids: Iterable[str]) -> dict[str, list[str]]:
        """The ids of the copies of each document, those that have yet to be compared left out."""
        condition = {"duplicate_of": {"$in": sorted(ids)}, "canonical": False, **LINKED}
        copies: dict[str, list[str]] = {}
        with self._connection.reaching():
            for row in self._database["cleaned_documents"].find(condition, {"duplicate_of": 1}):
                copies.setdefault(row["duplicate_of"], []).append(row["_id"])
        return copies

    def contents(self, ids: Sequence[str]) -> dict[str, str]:
        """The texts of documents, by id."""
        with self._connection.reaching():
            rows = self._database["cleaned_documents"].find({"_id": {"$in": sorted(ids)}}, {"content": 1})
            return {row["_id"]: row["content"] for row in rows}

    def unlink(self, ids: Iterable[str]) -> None:
        """Marks documents as not yet compared; until they are, their link stays as it is."""
        with self._connection.reaching():
            for page in pages(ids):
                self._database["cleaned_documents"].update_many({"_id": {"$in": page}}, {"$set": {"unlinked": True}})

    def unlink_copies_of(self, ids: Sequence[str]) -> None:
        """Marks the copies of documents as not yet compared. Call it before a document changes or goes."""
        condition = {"duplicate_of": {"$in": sorted(ids)}, "canonical": False}
        with self._connection.reaching():
            self._database["cleaned_documents"].update_many(condition, {"$set": {"unlinked": True}})

    def link(self, links: Iterable[Link]) -> None:
        """Keeps the outcomes of comparisons."""
        with self._connection.reaching():
            for page in pages(links):
                self._database["cleaned_documents"].bulk_write([_update(link) for link in page], ordered=False)

    def counts(self) -> tuple[int, int]:
        """How many documents are exact copies, and how many are near copies."""
        with self._connection.reaching():
            documents = self._database["cleaned_documents"]
            copies = documents.count_documents({"canonical": False})
            exact = documents.count_documents({"canonical": False, "similarity": 1.0})
        return exact, copies - exact

    def groups(self, limit: int) -> list[tuple[str, list[tuple[str, float]]]]:
        """The largest groups: the URL of the canonical document, and URL and similarity of some of its copies."""
        largest = [
            {"$match": {"canonical": False}},
            {"$sort": {"duplicate_of": 1}},
            {"$group": {"_id": "$duplicate_of", "size": {"$sum": 1}}},
            {"$sort": {"size": -1, "_id": 1}},
            {"$limit": limit},
        ]
        groups = []
        with self._connection.reaching():
            documents = self._database["cleaned_documents"]
            for group in documents.aggregate(largest):
                original = documents.find_one({"_id": group["_id"]}, {"url": 1}) or {"url": group["_id"]}
                condition = {"duplicate_of": group["_id"], "canonical": False}
                copies = documents.find(condition, {"url": 1, "similarity": 1}).sort("_id").limit(limit)
                groups.append((original["url"], [(copy["url"], copy["similarity"]) for copy in copies]))
        return groups


def sketch_fields(document: CleanedDocument) -> Mapping[str, Any]:
    """The fields that a stored document has for the queries here: it has yet to be compared."""
    fields: dict[str, Any] = {"seniority": f"{_date(document.published_at)} {document.url}", "unlinked": True}
    if document.signature:
        fields["bands"] = _bands(document.signature)
    return fields


def _date(published: datetime | None) -> str:
    return published.astimezone(UTC).isoformat(timespec="milliseconds") if published else NEVER


def _bands(signature: bytes) -> list[int]:
    """A number for each band of a signature, within MongoDB's 64 bits."""
    starts = range(0, len(signature), BAND_BYTES)
    digests = (
        hashlib.blake2b(signature[start : start + BAND_BYTES], digest_size=8, key=start.to_bytes(4, "big"))
        for start in starts
    )
    return [int.from_bytes(digest.digest(), "big", signed=True) for digest in digests]


def _sketch(row: Mapping[str, Any]) -> Sketch:
    return Sketch(
        row["_id"],
        row["seniority"],
        row["text_hash"],
        frozenset(row.get("bands", ())),
        row["signature"],
        row["canonical"],
        row["duplicate_of"],
        row["similarity"],
    )


def _update(link: Link) -> UpdateOne:
    fields = {
        "duplicate_of": link.duplicate_of,
        "similarity": link.similarity,
        "canonical": link.duplicate_of is None,
    }
    return UpdateOne({"_id": link.id}, {"$set": fields, "$unset": {"unlinked": ""}})
