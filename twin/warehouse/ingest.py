"""Bringing what a source shows into the warehouse.

Each batch first copies the documents that it is about to replace into `revisions`, then writes the new ones whole. Both
steps may be repeated, so a run that was killed anywhere is completed by the next one.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from pymongo import ReplaceOne

from twin.errors import CollectionError, SourceRefused
from twin.records import Document, Rejected, Source, document_id
from twin.warehouse.conversion import storable_time, to_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from pymongo.database import Database

__all__ = ["IngestReport", "Observation", "Outcome"]

BATCH_DOCUMENTS = 200
BATCH_CHARS = 8_000_000
MAX_DOCUMENT_BYTES = 15_000_000
"""MongoDB stores no document of more than 16 MB, its other fields included."""

State = Literal["added", "changed", "removed", "unchanged", "refused", "failed"]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one document."""

    url: str
    state: State
    reason: str | None = None


class IngestReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at a source changed. Reports add up with `+`."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    refused: int = 0
    failed: int = 0
    outcomes: list[Outcome] = []
    """Of every document but the unchanged ones."""
    warnings: list[str] = []

    @property
    def counts(self) -> dict[str, int]:
        """The six counts, in the order they are always shown in."""
        names = ("added", "changed", "removed", "unchanged", "refused", "failed")
        return {name: getattr(self, name) for name in names}

    @property
    def held(self) -> int:
        """Documents that were shown and are in the warehouse now; 0 when nothing could be read."""
        return self.added + self.changed + self.unchanged

    def __add__(self, other: IngestReport) -> IngestReport:
        sums = {name: count + getattr(other, name) for name, count in self.counts.items()}
        return IngestReport(
            **sums, outcomes=[*self.outcomes, *other.outcomes], warnings=[*self.warnings, *other.warnings]
        )


class Observation:
    """One look at one source. `read` what it shows, then `bury` what it no longer shows; `report` tells both."""

    def __init__(self, database: Database[dict[str, Any]], source: Source, now: datetime) -> None:
        self._database = database
        self._documents = database["raw_documents"]
        self._source = source
        self._now = now
        self._seen: set[str] = set()
        self._outcomes: list[Outcome] = []
        self._warnings: list[str] = []
        self._unchanged = 0
        self._whole = True

    def read(self, items: Iterable[Document | Rejected]) -> None:
        """Stores what is new or changed, batch by batch; holds the text of one batch and the ids of all."""
        for batch in self._batches(items):
            self._store(batch)

    def bury(self, *, max_share: float, confirmed: bool) -> None:
        """Tombstones the source's documents that `read` did not see.

        None of them when the source could not be read whole, or when more than `max_share` of them would go at once
        and that is not confirmed: the likelier cause is a source that is broken or has moved.
        """
        live = {"source_id": self._source.id, "live": True}
        held = self._documents.count_documents(live)
        vanished = [row for row in self._documents.find(live, {"url": 1}) if row["_id"] not in self._seen]
        if not vanished:
            return
        if not self._whole:
            self._warn(
                f"{len(vanished)} documents were not seen, and kept, because the source could not be read whole."
            )
            return
        if len(vanished) > max_share * held and not confirmed:
            self._warn(
                f"{len(vanished)} of {held} documents have vanished at once, so none was removed. "
                "If they are really gone, confirm it."
            )
            return
        for start in range(0, len(vanished), BATCH_DOCUMENTS):
            batch = vanished[start : start + BATCH_DOCUMENTS]
            ids = [row["_id"] for row in batch]
            self._documents.update_many({"_id": {"$in": ids}}, {"$set": {"live": False, "removed_at": self._now}})
            self._record([Outcome(url=row["url"], state="removed") for row in batch])

    def report(self) -> IngestReport:
        counts = Counter(outcome.state for outcome in self._outcomes)
        return IngestReport(
            **counts,
            unchanged=self._unchanged,
            outcomes=self._outcomes,
            warnings=self._warnings,
        )

    def _batches(self, items: Iterable[Document | Rejected]) -> Iterator[list[Document]]:
        """The documents that are fit to store, at most so many and so large at a time."""
        batch: list[Document] = []
        size = 0
        for item in self._guarded(items):
            if isinstance(item, Rejected):
                self._seen.add(document_id(item.url))
                self._reject(item)
                continue
            rejected = _unfit(item, repeated=item.id in self._seen)
            self._seen.add(item.id)
            if rejected:
                self._reject(rejected)
                continue
            batch.append(item)
            size += len(item.content)
            if len(batch) >= BATCH_DOCUMENTS or size >= BATCH_CHARS:
                yield batch
                batch, size = [], 0
        yield batch

    def _guarded(self, items: Iterable[Document | Rejected]) -> Iterator[Document | Rejected]:
        """The items, up to where the source itself fails."""
        try:
            yield from items
        except CollectionError as error:
            self._whole = False
            yield Rejected(url=self._source.location, reason=error.message, refused=isinstance(error, SourceRefused))

    def _reject(self, rejected: Rejected) -> None:
        if rejected.url == self._source.location:
            self._whole = False
        self._record(
            [Outcome(url=rejected.url, state="refused" if rejected.refused else "failed", reason=rejected.reason)]
        )

    def _store(self, batch: list[Document]) -> None:
        ids = [document.id for document in batch]
        fields = {"hash": 1, "revision": 1, "live": 1}
        stored = {row["_id"]: row for row in self._documents.find({"_id": {"$in": ids}}, fields)}
        writes: list[ReplaceOne[dict[str, Any]]] = []
        outcomes: list[Outcome] = []
        replaced: list[str] = []
        same: list[str] = []
        for document in batch:
            new = self._canonical(document)
            old = stored.get(new.id)
            changed = old is not None and old["hash"] != new.hash
            if old and not changed and old["live"]:
                same.append(new.url)
                continue
            if changed:
                replaced.append(new.id)
            revision = old["revision"] + changed if old else 1
            writes.append(self._write(msgspec.structs.replace(new, revision=revision)))
            outcomes.append(Outcome(url=new.url, state="changed" if changed and old["live"] else "added"))
        self._archive(replaced)
        if writes:
            self._documents.bulk_write(writes, ordered=False)
        self._record(outcomes)
        self._note_unchanged(same)

    def _canonical(self, document: Document) -> Document:
        return msgspec.structs.replace(
            document, source_id=self._source.id, published_at=storable_time(document.published_at)
        )

    def _write(self, document: Document) -> ReplaceOne[dict[str, Any]]:
        row = {**to_row(document), "hash": document.hash, "live": True, "observed_at": self._now}
        return ReplaceOne({"_id": document.id}, row, upsert=True)

    def _archive(self, ids: list[str]) -> None:
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

    def _record(self, outcomes: list[Outcome]) -> None:
        self._outcomes.extend(outcomes)
        if not outcomes:
            return
        about = {"source_id": self._source.id, "at": self._now}
        rows = [{"_id": self._outcome_id(outcome.url), **about, **to_row(outcome)} for outcome in outcomes]
        writes = [ReplaceOne({"_id": row["_id"]}, row, upsert=True) for row in rows]
        self._database["outcomes"].bulk_write(writes, ordered=False)

    def _note_unchanged(self, urls: list[str]) -> None:
        """Counts them, and takes back what an earlier look said against them; writes nothing in the usual case."""
        self._unchanged += len(urls)
        wrong = {"_id": {"$in": [self._outcome_id(url) for url in urls]}, "state": {"$in": ["refused", "failed"]}}
        self._database["outcomes"].update_many(wrong, {"$set": {"state": "unchanged", "reason": None, "at": self._now}})

    def _outcome_id(self, url: str) -> str:
        return f"{self._source.id} {url}"

    def _warn(self, message: str) -> None:
        self._warnings.append(f"{self._source.location}: {message}")


def _unfit(document: Document, *, repeated: bool) -> Rejected | None:
    """Why a document cannot be stored, if so."""
    if repeated:
        return Rejected(
            url=document.url, reason="The source shows this location twice; the first one counts.", refused=True
        )
    try:
        size = len("".join((document.title, document.author, document.content)).encode())
    except UnicodeEncodeError as error:
        return Rejected(url=document.url, reason=f"The text is not valid Unicode: {error.reason}.", refused=True)
    if size > MAX_DOCUMENT_BYTES:
        reason = f"{size:,} bytes of text; MongoDB holds at most {MAX_DOCUMENT_BYTES:,} in one document."
        return Rejected(url=document.url, reason=reason, refused=True)
    return None
