"""Raw documents: what is new or changed of a batch is written, and the revision that it replaces is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pymongo import ReplaceOne, UpdateOne

from twin import fencing
from twin.records import Rejected
from twin.warehouse.conversion import storable_text, to_row

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    from pymongo.database import Database

    from twin.records import Document

__all__ = ["Revisions", "unfit"]

MAX_DOCUMENT_BYTES = 15_000_000
"""MongoDB stores no document of more than 16 MB, its other fields included."""


class Revisions:
    """The raw documents as one run writes them.

    A document that two sources show belongs to the one that it came from first; while that one takes part in the run,
    what the other shows of it counts as unchanged. Otherwise it would get a new revision with every look at either.
    """

    def __init__(self, database: Database[dict[str, Any]], sources: Collection[str], now: datetime) -> None:
        self._documents = database["raw_documents"]
        self._sources = sources
        self._now = now

    def look_up(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Hash, revision, source and liveness of those that are held, by id."""
        if not ids:
            return {}
        fields = {"hash": 1, "revision": 1, "live": 1, "source_id": 1, "left_out": 1, "expires_at": 1}
        return {row["_id"]: row for row in self._documents.find({"_id": {"$in": list(ids)}}, fields)}

    def store(
        self, documents: Sequence[Document], stored: dict[str, dict[str, Any]]
    ) -> Iterator[tuple[Document, Literal["added", "changed", "unchanged"]]]:
        """Writes what differs from `stored`, which is brought up to date, and then tells what became of each."""
        told: list[tuple[Document, Literal["added", "changed", "unchanged"]]] = []
        writes: dict[str, ReplaceOne[dict[str, Any]] | UpdateOne] = {}
        replaced: list[str] = []
        for document in documents:
            old = stored.get(document.id)
            hash_ = document.hash
            changed = old is not None and old["hash"] != hash_
            if old and old["live"] and (not changed or self._is_anothers(document, old)):
                told.append((document, "unchanged"))
                if not changed and (update := _beside_the_text(document, old)):
                    writes[document.id] = UpdateOne({"_id": document.id}, {"$set": update})
                continue
            if changed:
                replaced.append(document.id)
            told.append((document, "changed" if old and old["live"] else "added"))
            revision = old["revision"] + changed if old else 1
            row = {**to_row(document), "revision": revision, "hash": hash_, "live": True, "observed_at": self._now}
            writes[document.id] = ReplaceOne({"_id": document.id}, row, upsert=True)
            stored[document.id] = row
        fencing.check()
        self.archive(replaced)
        if writes:
            self._documents.bulk_write(list(writes.values()), ordered=False)
        yield from told

    def _is_anothers(self, document: Document, old: dict[str, Any]) -> bool:
        return old["source_id"] != document.source_id and old["source_id"] in self._sources

    def archive(self, ids: list[str]) -> None:
        """Keeps the present revision of each document; the texts are copied within the server."""
        if not ids:
            return
        revision_id = {"$concat": ["$_id", "/", {"$toString": "$revision"}]}
        self._documents.aggregate(
            [
                {"$match": {"_id": {"$in": ids}}},
                {"$set": {"document_id": "$_id", "_id": revision_id, "replaced_at": self._now}},
                {"$merge": {"into": "revisions", "whenMatched": "keepExisting", "whenNotMatched": "insert"}},
            ]
        )


def _beside_the_text(document: Document, old: dict[str, Any]) -> dict[str, Any]:
    """What has changed of a document that reads as before."""
    now = {"left_out": document.left_out, "expires_at": document.expires_at}
    before = {"left_out": old.get("left_out") or {}, "expires_at": old.get("expires_at")}
    return now if now != before else {}


def unfit(document: Document) -> Rejected | None:
    """Why a document cannot be stored, if so."""
    try:
        size = len("".join((document.title, document.author, document.content)).encode())
        "".join((document.url, document.platform, document.language or "")).encode()
    except UnicodeEncodeError as error:
        reason = f"The text is not valid Unicode: {error.reason}."
        return Rejected(url=storable_text(document.url), reason=reason, refused=True)
    if size > MAX_DOCUMENT_BYTES:
        reason = f"{size:,} bytes of text; MongoDB holds at most {MAX_DOCUMENT_BYTES:,} in one document."
        return Rejected(url=document.url, reason=reason, refused=True)
    return None
