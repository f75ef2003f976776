"""How the look at each source of a run goes, and how the last look at each source went."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec needs it at run time
from typing import TYPE_CHECKING, Any

import msgspec
from pymongo import UpdateOne

from twin.collection.web.source_hosts import host_of
from twin.warehouse.conversion import readable_row
from twin.warehouse.part import BATCH, LIVE
from twin.warehouse.seen import Candidate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymongo.database import Database

    from twin.records import Source
    from twin.warehouse.report import Tally
    from twin.warehouse.seen import Seen

__all__ = ["LastLook", "Look", "held", "last_looks", "note_missing", "settled_since", "write"]


class Look:
    """One source in one run."""

    def __init__(self, source: Source, number: int) -> None:
        self.source = source
        self.id = source.id
        self.host = host_of(source.location)
        """Who is asked; None for a place on this machine."""
        self.number = number
        """Stands for the source within the run."""
        self.complete = False
        """Whether what it gave is all that it has."""
        self.untouched = False
        """It said itself that nothing has changed."""
        self.repeated = False
        """It was looked at in the run that this one goes on with."""
        self.put_off = False
        """It was not looked at, and is among the first of the next run."""
        self.has_unfit = False
        """It showed something that cannot be stored."""
        self.error: str | None = None
        """Why it could not be read whole."""
        self.doubted = False
        """Whether some of its documents may have to be removed at the end of the run."""


class LastLook(msgspec.Struct, frozen=True, kw_only=True):
    """How the last look at a source went."""

    at: datetime
    """When the run began."""
    counts: dict[str, int]
    """Documents by what became of them."""
    error: str | None = None
    """Why it could not be read whole."""
    settled: bool = False
    """Whether nothing of it was left to be done at the end of the run."""
    failing_since: datetime | None = None
    """When the first of the looks in a row began in which it could not be read whole."""


def held(database: Database[dict[str, Any]], sources: Sequence[str]) -> dict[str, int]:
    """How many live documents each source has; one without any is left out."""
    if not sources:
        return {}
    found = database["raw_documents"].aggregate(
        [
            {"$match": {"source_id": {"$in": list(sources)}, **LIVE}},
            {"$group": {"_id": "$source_id", "documents": {"$sum": 1}}},
        ]
    )
    return {row["_id"]: row["documents"] for row in found}


def note_missing(database: Database[dict[str, Any]], seen: Seen, ended: Sequence[Look]) -> None:
    """Notes the live documents that sources should have shown and did not."""
    searched = {look.id: look for look in ended if look.complete and not look.untouched}
    if not searched:
        return
    condition = {"source_id": {"$in": sorted(searched)}, **LIVE}
    for row in database["raw_documents"].find(condition, {"url": 1, "source_id": 1}, batch_size=BATCH):
        look = searched[row["source_id"]]
        if not seen.has_shown(row["_id"], look.number):
            look.doubted = True
            seen.doubt(look.number, [Candidate(row["_id"], row["url"])])


def write(database: Database[dict[str, Any]], ended: Sequence[Look], tally: Tally, now: datetime) -> None:
    """Keeps how looks went, of the sources that the twin knows."""
    writes = [
        UpdateOne({"_id": look.id}, [{"$set": {"last_look": _written(look, tally, now)}}])
        for look in ended
        if not look.repeated and not look.put_off
    ]
    if writes:
        database["sources"].bulk_write(writes, ordered=False)


def _written(look: Look, tally: Tally, now: datetime) -> dict[str, Any]:
    """The fields of a `LastLook`, for an update that sees the look before it."""
    return {
        "at": now,
        "counts": {"$literal": dict(tally.of(look.id))},
        "error": {"$literal": look.error},
        "settled": not look.doubted and look.error is None,
        "failing_since": {"$ifNull": ["$last_look.failing_since", now]} if look.error else None,
    }


def last_looks(database: Database[dict[str, Any]]) -> dict[str, LastLook]:
    """How the last look at each source that was ever looked at went, by source id."""
    rows = database["sources"].find({"last_look": {"$exists": True}}, {"last_look": 1})
    return {row["_id"]: look for row in rows if (look := readable_row(row["last_look"], LastLook))}


def settled_since(database: Database[dict[str, Any]], since: datetime) -> set[str]:
    """The sources at which nothing is left to be done in a run that began at `since`."""
    rows = database["sources"].find({"last_look.at": {"$gte": since}, "last_look.settled": True}, {"_id": 1})
    return {row["_id"] for row in rows}
