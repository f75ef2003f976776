"""Raw documents: what sources showed, with revisions and tombstones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.collection.events import Ended, Found
from twin.errors import CollectionError
from twin.records import Document
from twin.warehouse.conversion import storable_time
from twin.warehouse.ingest import Ingest
from twin.warehouse.part import LIVE, Part
from twin.warehouse.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from datetime import datetime

    from twin.collection.collector import Item
    from twin.collection.events import Event
    from twin.records import Source
    from twin.warehouse.connection import Connection
    from twin.warehouse.ingest import Progress
    from twin.warehouse.report import IngestReport

__all__ = ["RawDocuments"]


class RawDocuments(Part):
    """The part of the warehouse that collection writes."""

    def __init__(self, connection: Connection, max_vanished_share: float, clock: Callable[[], datetime]) -> None:
        super().__init__(connection)
        self._max_vanished_share = max_vanished_share
        self._clock = clock

    def observe(
        self, source: Source, items: Iterable[Item], *, complete: bool, confirm_vanished: bool = False
    ) -> IngestReport:
        """Brings in what one source shows; see `observe_all`.

        With `complete`, `items` is all that the source has. A CollectionError raised by `items` is recorded as the
        outcome of the source itself.
        """
        events = _events(source, items, complete)
        return self.observe_all([source], events, confirm_vanished=confirm_vanished)

    def observe_all(
        self,
        sources: Collection[Source],
        events: Iterable[Event],
        *,
        confirm_vanished: bool = False,
        now: datetime | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> IngestReport:
        """Brings in what sources show: new and changed documents are stored, unchanged ones skipped.

        A changed document gets the next revision, and the old one is kept. What a complete source no longer shows is
        tombstoned; not when it failed on the way, and not when more than `max_vanished_share` of it vanished at once,
        unless `confirm_vanished`. So is what a source says is gone, a source complete or not, except when it says so of
        more than that share at once (and of more than two documents). Single pages of one host are judged together. The
        report's warnings say what was kept. A document that was rejected this time keeps its last good form.

        Args:
            sources: All sources that take part.
            events: What they show, in any order between sources; each source ends with an `Ended`.
            confirm_vanished: Believe it when much has vanished.
            now: When this look began; visits are remembered under this time.
            on_progress: Told after each batch.
        """
        moment = storable_time(now or self._clock())
        with self._connection.reaching(), Seen() as seen:
            self._connection.ensure_indexes()
            ingest = Ingest(self._database, {source.id for source in sources}, seen, moment, on_progress)
            ingest.read(events)
            return ingest.finish(max_share=self._max_vanished_share, confirmed=confirm_vanished)

    def fingerprints(self) -> dict[str, str]:
        """`Document.hash` of every live document, by id."""
        return dict(self.fingerprint_stream())

    def fingerprint_stream(self) -> Iterator[tuple[str, str]]:
        """The pairs of `fingerprints` in the order of their ids, without holding them all."""
        return self._pairs("raw_documents", LIVE, "hash")

    def data_version(self) -> str:
        """A hash over what the live documents are; equal content gives equal versions."""
        return self._version("raw_documents", LIVE)

    def count(self) -> int:
        """How many documents are live."""
        with self._connection.reaching():
            return self._database["raw_documents"].count_documents(LIVE)

    def read(self, ids: Collection[str] | None = None) -> Iterator[Document]:
        """The live documents, or those of them with these ids, in the order of their ids."""
        return self._read("raw_documents", LIVE, ids, Document)

    def left_out(self, source_ids: Collection[str]) -> Iterator[tuple[str, dict[str, int]]]:
        """The live documents of some sources that have pieces which are not for readers, by location: how many of each
        kind were left out."""
        wanted = {**LIVE, "source_id": {"$in": sorted(source_ids)}, "left_out": {"$nin": [None, {}]}}
        with self._connection.reaching():
            for row in self._database["raw_documents"].find(wanted, {"url": 1, "left_out": 1}).sort("url"):
                yield row["url"], row["left_out"]

    def left_out_counts(self) -> dict[str, int]:
        """How many pieces of each kind were left out of the live documents."""
        pairs = {"$objectToArray": {"$ifNull": ["$left_out", {}]}}
        steps = [
            {"$match": {**LIVE, "left_out": {"$nin": [None, {}]}}},
            {"$project": {"pairs": pairs}},
            {"$unwind": "$pairs"},
            {"$group": {"_id": "$pairs.k", "pieces": {"$sum": "$pairs.v"}}},
            {"$sort": {"_id": 1}},
        ]
        with self._connection.reaching():
            return {row["_id"]: row["pieces"] for row in self._database["raw_documents"].aggregate(steps)}


def _events(source: Source, items: Iterable[Item], complete: bool) -> Iterator[Event]:
    try:
        for item in items:
            yield Found(source, item)
    except CollectionError as error:
        yield Ended(source, complete, error)
    else:
        yield Ended(source, complete)
