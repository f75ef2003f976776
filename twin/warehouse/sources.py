"""Sources, how the last look at each went, and what is remembered of their places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo import UpdateOne

from twin.errors import UnknownName
from twin.records import Source
from twin.warehouse import looks, outcomes, visits
from twin.warehouse.conversion import readable_row, to_row
from twin.warehouse.memory import RunMemory
from twin.warehouse.part import LIVE, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from datetime import datetime

    from twin.records import Visit
    from twin.warehouse.connection import Connection
    from twin.warehouse.looks import LastLook
    from twin.warehouse.outcomes import Problem

__all__ = ["Sources"]


class Sources(Part):
    """The part of the warehouse that knows what the twin reads. A `twin.collection.Memory`."""

    def __init__(self, connection: Connection, clock: Callable[[], datetime]) -> None:
        super().__init__(connection)
        self._clock = clock

    def add(self, sources: Iterable[Source]) -> None:
        """Remembers sources; one that is known already is replaced."""
        writes = [UpdateOne({"_id": source.id}, {"$set": to_row(source)}, upsert=True) for source in sources]
        if writes:
            with self._connection.reaching():
                self._database["sources"].bulk_write(writes, ordered=False)

    def all(self) -> list[Source]:
        """The remembered sources, by location."""
        with self._connection.reaching():
            rows = self._database["sources"].find().sort("location")
            return [source for row in rows if (source := readable_row(row, Source))]

    def remove(self, source_id: str) -> int:
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
            self.forget([source_id])
        return gone.modified_count

    def forget(self, source_ids: Collection[str]) -> None:
        """Forgets sources that have no documents, and what was said against them."""
        if not source_ids:
            return
        with self._connection.reaching():
            for collection, field in (("visits", "source_id"), ("outcomes", "source_id"), ("sources", "_id")):
                self._database[collection].delete_many({field: {"$in": sorted(source_ids)}})

    def held(self, source_ids: Collection[str]) -> dict[str, int]:
        """How many live documents sources have, by id; one without any is left out."""
        with self._connection.reaching():
            return looks.held(self._database, list(source_ids))

    def last_looks(self) -> dict[str, LastLook]:
        """How the last look at each source that was ever looked at went, by source id."""
        with self._connection.reaching():
            return looks.last_looks(self._database)

    def problems(self, source_ids: Collection[str] | None = None) -> Iterator[Problem]:
        """What was refused or failed at the last look, of all sources or some, by source and location."""
        with self._connection.reaching():
            yield from outcomes.problems(self._database, source_ids)

    def withheld(self, source_ids: Collection[str] | None = None) -> Iterator[Problem]:
        """What was withheld at the last look, of all sources or some, by source and location."""
        with self._connection.reaching():
            yield from outcomes.withheld(self._database, source_ids)

    def visit(self, source: Source, url: str) -> Visit | None:
        """The last look at a place of a source; None before the first, or when documents that it gave are gone."""
        with self._connection.reaching():
            return visits.read(self._database, source, url)

    def visits(self, source: Source) -> Iterator[Visit]:
        """Every place of a source that was looked at and whose documents are there, in the order of their URLs."""
        with self._connection.reaching():
            yield from visits.all_of(self._database, source)

    def memory(self, sources: Sequence[Source] = ()) -> RunMemory:
        """The visits as they are now, for the length of one run over `sources`, read ahead of being asked for."""
        return RunMemory(self._connection, sources)
