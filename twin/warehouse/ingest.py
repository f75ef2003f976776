"""Bringing what sources show into the warehouse, many sources at once.

What comes is stored batch by batch, whatever sources it comes from, so that a thousand sources of one page each cost no
more round trips than one source of a thousand pages. Each batch first copies the documents that it is about to replace
into `revisions`, then writes the new ones whole, then their outcomes, then the visits that stand for them, then which
sources have ended. Every step may be repeated, so a run that was killed anywhere is completed by the next one.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from twin.collection.events import Ended, Found, Idle
from twin.errors import SourceRefused
from twin.records import Document, Gone, Rejected, Unchanged, Visit, Withheld, document_id
from twin.warehouse import looks, visits, withholding
from twin.warehouse.conversion import storable_text, storable_time
from twin.warehouse.outcomes import Outcomes
from twin.warehouse.removal import remove_vanished
from twin.warehouse.report import IngestReport, Outcome, Tally
from twin.warehouse.revisions import Revisions, unfit
from twin.warehouse.seen import Candidate, Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from datetime import datetime

    from pymongo.database import Database

    from twin.collection.collector import Item
    from twin.collection.events import Event
    from twin.records import Source

__all__ = ["Ingest", "Progress"]

BATCH_ITEMS = 200
BATCH_CHARS = 8_000_000
BATCH_SECONDS = 2.0
"""What came is stored after this long at most, so that little is asked for again after a run that was cut off."""


class Progress(NamedTuple):
    """How far a run is."""

    ended: int
    """Sources that give nothing more."""
    counts: dict[str, int]
    """Documents so far, by what became of them."""


class _Batch(msgspec.Struct):
    """What came since the last time that anything was stored."""

    began: float
    documents: list[Document] = []
    rejected: list[tuple[looks.Look, Rejected]] = []
    unchanged: list[tuple[looks.Look, str, str]] = []
    """With the document's id and URL."""
    gone: list[tuple[looks.Look, Gone]] = []
    withheld: list[tuple[looks.Look, Withheld]] = []
    visits: list[tuple[Source, Visit]] = []
    ended: list[looks.Look] = []
    items: int = 0
    chars: int = 0

    @property
    def is_due(self) -> bool:
        old = time.monotonic() - self.began > BATCH_SECONDS
        return self.items >= BATCH_ITEMS or self.chars >= BATCH_CHARS or (old and self.items > 0)


class Ingest:
    """One look at some sources. `read` what they show, then `finish`; holds the text of one batch and no ids."""

    def __init__(
        self,
        database: Database[dict[str, Any]],
        sources: Collection[str],
        seen: Seen,
        now: datetime,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._database = database
        self._revisions = Revisions(database, sources, now)
        self._seen = seen
        self._now = now
        self._on_progress = on_progress
        self._tally = Tally()
        self._outcomes = Outcomes(database, self._tally, now)
        self._looks: dict[Source, looks.Look] = {}
        self._batch = _Batch(time.monotonic())

    def read(self, events: Iterable[Event]) -> None:
        """Stores what is new or changed, and notes what may be gone."""
        for event in events:
            if isinstance(event, Found):
                self._arrive(self._look(event.source), event.item)
                self._batch.items += 1
            elif isinstance(event, Ended):
                self._arrive_end(event)
                self._batch.items += 1
            if isinstance(event, Idle) or self._batch.is_due:
                self._flush()
        self._flush()

    def finish(self, *, max_share: float, confirmed: bool) -> IngestReport:
        """Tombstones what is gone, and tells everything.

        Of a source that could not be read whole, nothing that it merely misses. Nothing either when more than
        `max_share` of a source's documents would go at once and that is not confirmed: the likelier cause is a source
        that is broken or has moved.
        """
        warnings = remove_vanished(
            self._database,
            self._seen,
            list(self._looks.values()),
            self._outcomes,
            self._now,
            max_share=max_share,
            confirmed=confirmed,
        )
        for warning in warnings:
            self._tally.warn(warning)
        self._note_removals()
        return self._tally.report()

    def _note_removals(self) -> None:
        """The sources that waited for the end of the run are settled now."""
        waited = [look for look in self._looks.values() if look.doubted]
        for look in waited:
            look.doubted = False
        looks.write(self._database, waited, self._tally, self._now)

    def _look(self, source: Source) -> looks.Look:
        look = self._looks.get(source)
        if look is None:
            look = self._looks[source] = looks.Look(source, number=len(self._looks))
        return look

    def _arrive(self, look: looks.Look, item: Item) -> None:
        batch = self._batch
        match item:
            case Document():
                if rejected := unfit(item):
                    look.has_unfit = True
                    self._seen.note_unfit(document_id(rejected.url), look.number)
                    self._arrive_rejection(look, rejected)
                elif rejected := self._repeated(item, look):
                    self._arrive_rejection(look, rejected)
                else:
                    published = storable_time(item.published_at)
                    batch.documents.append(msgspec.structs.replace(item, source_id=look.id, published_at=published))
                    batch.chars += len(item.content)
            case Rejected():
                self._arrive_rejection(look, item)
            case Unchanged(url=None):
                look.untouched = True
            case Unchanged(url=str(url)):
                url = storable_text(url)
                key = document_id(url)
                if self._seen.show(key, look.number):
                    batch.unchanged.append((look, key, url))
            case Gone():
                gone = Gone(url=storable_text(item.url), reason=storable_text(item.reason))
                batch.gone.append((look, gone))
            case Withheld():
                url, reason = storable_text(item.url), storable_text(item.reason)
                batch.withheld.append((look, msgspec.structs.replace(item, url=url, reason=reason)))
            case Visit():
                if not self._vouches_for_unfit(item, look):
                    batch.visits.append((look.source, item))

    def _arrive_end(self, ended: Ended) -> None:
        look, error = self._look(ended.source), ended.error
        look.complete, look.repeated, look.put_off = ended.complete, ended.repeated, ended.put_off
        look.untouched = look.untouched or ended.repeated
        if error is not None:
            look.error = storable_text(error.message)
            location = ended.source.location
            refused = isinstance(error, SourceRefused)
            self._arrive_rejection(look, Rejected(url=location, reason=error.message, refused=refused))
        self._batch.ended.append(look)

    def _arrive_rejection(self, look: looks.Look, rejected: Rejected) -> None:
        rejected = Rejected(
            url=storable_text(rejected.url), reason=storable_text(rejected.reason), refused=rejected.refused
        )
        self._seen.show(document_id(rejected.url), look.number)
        if rejected.url == look.source.location and look.error is None:
            look.error = rejected.reason
        self._batch.rejected.append((look, rejected))

    def _repeated(self, document: Document, look: looks.Look) -> Rejected | None:
        if self._seen.show(document.id, look.number):
            return None
        reason = "The source shows this location twice; the first one counts."
        return Rejected(url=document.url, reason=reason, refused=True)

    def _vouches_for_unfit(self, visit: Visit, look: looks.Look) -> bool:
        """Whether a visit stands for what could not be stored, so that an earlier form would pass for unchanged."""
        return look.has_unfit and any(self._seen.is_unfit(document_id(url), look.number) for url in visit.documents)

    def _flush(self) -> None:
        batch, self._batch = self._batch, _Batch(time.monotonic())
        if batch.items:
            self._store(batch)
        if self._on_progress:
            self._on_progress(Progress(self._tally.ended, dict(self._tally.total)))

    def _store(self, batch: _Batch) -> None:
        ids = [document.id for document in batch.documents]
        ids += [key for _, key, _ in batch.unchanged]
        ids += [document_id(gone.url) for _, gone in batch.gone]
        stored = self._revisions.look_up(ids)
        for document, state in self._revisions.store(batch.documents, stored):
            self._outcomes.add(document.source_id, Outcome(url=document.url, state=state))
        for look, rejected in batch.rejected:
            state = "refused" if rejected.refused else "failed"
            self._outcomes.add(look.id, Outcome(url=rejected.url, state=state, reason=rejected.reason))
        self._note_unchanged(batch, stored)
        self._note_gone(batch, stored)
        self._note_withheld(batch)
        self._outcomes.flush()
        visits.write(self._database, batch.visits, self._now)
        self._end(batch.ended)

    def _note_unchanged(self, batch: _Batch, stored: dict[str, Any]) -> None:
        on_the_web = []
        for look, key, url in batch.unchanged:
            if (row := stored.get(key)) and row["live"]:
                self._outcomes.add(look.id, Outcome(url=url, state="unchanged"))
                if look.host:
                    on_the_web.append((look.id, url))
            else:
                reason = "It was told to be unchanged, and is not in the warehouse any more; the next run reads it."
                self._outcomes.add(look.id, Outcome(url=url, state="failed", reason=reason))
                visits.forget(self._database, [(look.id, url)])
        visits.checked(self._database, on_the_web, self._now)

    def _note_gone(self, batch: _Batch, stored: dict[str, Any]) -> None:
        """Of a document that is held, a doubt for the end of the run; of one that never was, a failure."""
        for look, gone in batch.gone:
            key = document_id(gone.url)
            visit = visits.read(self._database, look.source, gone.url) if key not in stored else None
            urls = visit.documents if visit else [gone.url] if key in stored and stored[key]["live"] else []
            look.doubted = look.doubted or bool(urls)
            self._seen.doubt(look.number, [Candidate(document_id(url), url, gone.reason, "gone") for url in urls])
            if not urls and key not in stored:
                self._outcomes.add(look.id, Outcome(url=gone.url, state="failed", reason=gone.reason))

    def _note_withheld(self, batch: _Batch) -> None:
        """Tells what is withheld, and notes which documents it gave before."""
        for look, item in batch.withheld:
            self._outcomes.add(look.id, Outcome(url=item.url, state="withheld", reason=item.reason))
        for look, document, url, reason in withholding.documents(self._database, batch.withheld):
            look.doubted = True
            self._seen.doubt(look.number, [Candidate(document, url, reason, "withheld")])

    def _end(self, ended: list[looks.Look]) -> None:
        """Finds what the ended sources miss, and notes how they ended."""
        for look in ended:
            self._tally.end(look.source, look.error)
        looks.note_missing(self._database, self._seen, ended)
        for source_id, held in looks.held(self._database, [look.id for look in ended if look.untouched]).items():
            of = self._tally.of(source_id)
            self._tally.count(source_id, "unchanged", max(0, held - of["added"] - of["changed"] - of["unchanged"]))
        whole = [look for look in ended if look.error is None]
        self._outcomes.settle([look.source for look in whole])
        self._outcomes.drop_old([look.source for look in whole if look.complete and not look.untouched])
        looks.write(self._database, ended, self._tally, self._now)
