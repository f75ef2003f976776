"""What became of each document at the last look that did something to it, one record a source and location."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec needs it at run time
from typing import TYPE_CHECKING, Any

import msgspec
from pymongo import ReplaceOne

from twin.warehouse.conversion import readable_row, to_row
from twin.warehouse.part import BATCH
from twin.warehouse.report import ABSENT, PROBLEMS, Outcome, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pymongo.database import Database

    from twin.records import Source
    from twin.warehouse.report import Tally

__all__ = ["Outcomes", "Problem", "problems", "withheld"]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A document that was refused, failed or was withheld at the last look, and why."""

    url: str
    state: State
    reason: str | None
    source_id: str
    at: datetime


class Outcomes:
    """Records outcomes in the warehouse and in the tally of a run."""

    def __init__(self, database: Database[dict[str, Any]], tally: Tally, now: datetime) -> None:
        self._outcomes = database["outcomes"]
        self._tally = tally
        self._now = now
        self._waiting: list[tuple[str, Outcome]] = []
        self._unchanged: list[str] = []

    def add(self, source_id: str, outcome: Outcome) -> None:
        """Counts an outcome; it is written by `flush`."""
        if outcome.state == "unchanged":
            self._tally.count(source_id, "unchanged")
            self._unchanged.append(_key(source_id, outcome.url))
            return
        self._tally.record(source_id, outcome)
        self._waiting.append((source_id, outcome))

    def count(self, source_id: str, outcome: Outcome) -> None:
        """Counts an outcome that another one of the same document is to be remembered by."""
        self._tally.record(source_id, outcome)

    def flush(self) -> None:
        """Writes what was added. Unchanged ones only where an earlier look said something against them."""
        waiting, self._waiting = self._waiting, []
        rows = [
            {"_id": _key(source_id, outcome.url), "source_id": source_id, "at": self._now, **to_row(outcome)}
            for source_id, outcome in waiting
        ]
        if rows:
            self._outcomes.bulk_write(
                [ReplaceOne({"_id": row["_id"]}, row, upsert=True) for row in rows], ordered=False
            )
        unchanged, self._unchanged = self._unchanged, []
        self._take_back(unchanged)

    def settle(self, sources: Sequence[Source]) -> None:
        """Takes back what an earlier look said against sources that could be read now."""
        self._take_back([_key(source.id, source.location) for source in sources], {"at": {"$lt": self._now}})

    def drop_old(self, sources: Sequence[Source]) -> None:
        """Drops what an earlier look said against documents that sources, which were read whole, do not show now."""
        if sources:
            told_before = {"state": {"$in": sorted(ABSENT)}, "at": {"$lt": self._now}}
            self._outcomes.delete_many({**told_before, "source_id": {"$in": [source.id for source in sources]}})

    def _take_back(self, keys: Sequence[str], condition: dict[str, Any] | None = None) -> None:
        if keys:
            wrong = {"_id": {"$in": list(keys)}, "state": {"$in": sorted(ABSENT)}, **(condition or {})}
            good = {"state": "unchanged", "reason": None, "at": self._now}
            self._outcomes.update_many(wrong, {"$set": good})


def problems(database: Database[dict[str, Any]], sources: Iterable[str] | None = None) -> Iterator[Problem]:
    """What was refused or failed at the last look, of all sources or some, by source and location."""
    return _in_states(database, sorted(PROBLEMS), sources)


def withheld(database: Database[dict[str, Any]], sources: Iterable[str] | None = None) -> Iterator[Problem]:
    """What was withheld at the last look, of all sources or some, by source and location."""
    return _in_states(database, ["withheld"], sources)


def _in_states(
    database: Database[dict[str, Any]], states: Sequence[str], sources: Iterable[str] | None
) -> Iterator[Problem]:
    condition: dict[str, Any] = {"state": {"$in": list(states)}}
    if sources is not None:
        condition["source_id"] = {"$in": sorted(sources)}
    for row in database["outcomes"].find(condition, batch_size=BATCH).sort("_id"):
        problem = readable_row({name: value for name, value in row.items() if name != "_id"}, Problem)
        if problem is not None:
            yield problem


def _key(source_id: str, url: str) -> str:
    return f"{source_id} {url}"
