"""Runs of collection: when each began and how it ended, so that one that was cut off is gone on with."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

import msgspec

from twin.collection.web.source_hosts import host_of
from twin.records import content_hash
from twin.warehouse import looks
from twin.warehouse.conversion import readable_row, storable_time, to_row
from twin.warehouse.part import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator

    from twin.records import Source
    from twin.warehouse.connection import Connection

__all__ = ["Run", "Runs"]

RESUMED_WITHIN = timedelta(hours=6)
"""A run that was cut off longer ago is begun afresh, as the web has moved on."""
KEPT = 200
"""Finished runs that are remembered."""


class Run(msgspec.Struct, kw_only=True):
    """One run of collection."""

    id: str
    scope: str
    """Stands for what was to be looked at, and how."""
    sources: int
    """How many sources take part."""
    started_at: datetime
    since: datetime
    """When the work began that this run completes: its own start, or that of the run that was cut off."""
    state: Literal["running", "finished", "cut off"] = "running"
    finished_at: datetime | None = None
    counts: dict[str, int] = {}
    """Documents, by what became of them."""

    @property
    def resumes(self) -> bool:
        """Whether it goes on with a run that was cut off."""
        return self.since < self.started_at


class Runs(Part):
    """The part of the warehouse that remembers runs."""

    def __init__(self, connection: Connection, clock: Callable[[], datetime]) -> None:
        super().__init__(connection)
        self._clock = clock

    @contextmanager
    def begin(self, sources: Collection[Source], *, confirm_vanished: bool = False) -> Generator[Run]:
        """Records a run within the block; one that ends with an error counts as cut off.

        Goes on with the last run over the same sources when that was cut off within the last six hours. Call it while
        holding the collecting lock: a run that is not finished is taken for dead.
        """
        started = storable_time(self._clock())
        scope = content_hash(str(confirm_vanished), *sorted(source.id for source in sources))
        with self._connection.reaching():
            self._connection.ensure_indexes()
            run = Run(
                id=uuid.uuid4().hex,
                scope=scope,
                sources=len(sources),
                started_at=started,
                since=self._cut_off_since(scope, started) or started,
            )
            self._save(run)
        try:
            yield run
        except BaseException:
            run.state = "cut off"
            raise
        else:
            run.state, run.finished_at = "finished", storable_time(self._clock())
            with self._connection.reaching():
                self._save(run)
                self._prune()

    def last(self) -> Run | None:
        """The run that began last."""
        with self._connection.reaching():
            row = self._database["runs"].find_one(sort=[("started_at", -1)])
        return readable_row(row, Run) if row else None

    def done_since(self, sources: Collection[Source], run: Run) -> set[str]:
        """The ids of the sources that the run which was cut off has dealt with.

        Of sources on other hosts only: what is on this machine is looked at again, which costs no one anything.
        """
        if not run.resumes:
            return set()
        with self._connection.reaching():
            settled = looks.settled_since(self._database, run.since)
        return {source.id for source in sources if source.id in settled and host_of(source.location)}

    def _cut_off_since(self, scope: str, now: datetime) -> datetime | None:
        """When the work began that was cut off, if there is such work; what still counts as running is dead."""
        runs = self._database["runs"]
        past = {"started_at": {"$lte": now}}  # a clock that ran ahead may have noted others
        row = runs.find_one(past, sort=[("started_at", -1)])
        runs.update_many({"state": "running"}, {"$set": {"state": "cut off"}})
        last = readable_row(row, Run) if row else None
        if last is None or last.state == "finished" or last.scope != scope:
            return None
        return last.since if timedelta() <= now - last.since < RESUMED_WITHIN else None

    def _save(self, run: Run) -> None:
        row = to_row(run)
        self._database["runs"].replace_one({"_id": row["_id"]}, row, upsert=True)

    def _prune(self) -> None:
        runs = self._database["runs"]
        old = [row["_id"] for row in runs.find({}, {"_id": 1}).sort("started_at", -1).skip(KEPT)]
        if old:
            runs.delete_many({"_id": {"$in": old}})
