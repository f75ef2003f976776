"""Interactions: questions with their answers. The asynchronous half is what the RAG app asks of the warehouse."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from pymongo import AsyncMongoClient

from twin.records import Interaction
from twin.warehouse.connection import client_options, explaining, host_of
from twin.warehouse.conversion import from_row, to_row
from twin.warehouse.feedback import COLLECTION as FEEDBACK
from twin.warehouse.feedback import Feedback
from twin.warehouse.part import Part, pages

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from pymongo.asynchronous.database import AsyncDatabase

__all__ = ["AsyncInteractions", "Interactions"]


class Interactions(Part):
    """The part of the warehouse that holds interactions."""

    def record(self, interaction: Interaction) -> None:
        """Stores an interaction; storing it again replaces it."""
        row = to_row(interaction)
        with self._connection.reaching():
            self._connection.ensure_indexes()
            self._database["interactions"].replace_one({"_id": row["_id"]}, row, upsert=True)

    def read(self, since: datetime | None = None) -> Iterator[Interaction]:
        """The interactions from `since` on, oldest first."""
        condition = {"created_at": {"$gte": since}} if since else {}
        with self._connection.reaching():
            for row in self._database["interactions"].find(condition).sort([("created_at", 1), ("_id", 1)]):
                yield from_row(row, Interaction)

    def figures(self, since: datetime, until: datetime, most: int, *, latest: bool) -> list[dict[str, Any]]:
        """The figures of the interactions between two moments, without texts: the latest `most`, or the first."""
        chosen = {"created_at": {"$gte": since, "$lte": until}}
        order = -1 if latest else 1
        fields = dict.fromkeys(("created_at", "status", "vector", "relevance", "support", "usage", "timings"), 1)
        steps = [
            {"$match": chosen},
            {"$sort": {"created_at": order, "_id": order}},
            {"$limit": most},
            {"$project": {**fields, "length": {"$strLenCP": {"$ifNull": ["$answer", ""]}}}},
        ]
        with self._connection.reaching():
            return list(self._database["interactions"].aggregate(steps))

    def latest_version(self) -> str | None:
        """The version that gave the latest answer."""
        with self._connection.reaching():
            row = self._database["interactions"].find_one(
                {"model_version": {"$type": "string"}}, {"model_version": 1}, sort=[("created_at", -1), ("_id", -1)]
            )
        return row["model_version"] if row else None

    def began(self, version: str) -> datetime | None:
        """When a version gave its first answer."""
        with self._connection.reaching():
            row = self._database["interactions"].find_one(
                {"model_version": version}, {"created_at": 1}, sort=[("created_at", 1)]
            )
        return row["created_at"] if row else None

    def remove(self, ids: Collection[str]) -> int:
        """Deletes interactions with all that readers said of them; returns how many there were."""
        removed = 0
        with self._connection.reaching():
            for page in pages(sorted(ids)):
                self._database[FEEDBACK].delete_many({"interaction_id": {"$in": page}})
                removed += self._database["interactions"].delete_many({"_id": {"$in": page}}).deleted_count
        return removed


class AsyncInteractions:
    """Stores and finds interactions. Every method raises WarehouseUnavailable.

    Nothing is connected until it is used; use it from one event loop.
    """

    def __init__(self, uri: str, database: str, *, timeout_seconds: float = 5.0) -> None:
        self.host = host_of(uri)
        self._uri = uri
        self._name = database
        self._timeout = timeout_seconds

    async def ping(self) -> None:
        """Returns when the server has answered."""
        with explaining(self.host):
            await self._database.command("ping")

    async def record(self, interaction: Interaction) -> None:
        """Stores an interaction; storing it again replaces it."""
        row = to_row(interaction)
        with explaining(self.host):
            await self._database["interactions"].replace_one({"_id": row["_id"]}, row, upsert=True)

    async def get(self, interaction_id: str) -> Interaction | None:
        """The interaction of that id, if there is one."""
        with explaining(self.host):
            row = await self._database["interactions"].find_one({"_id": interaction_id})
        return from_row(row, Interaction) if row else None

    async def find(self, key: str) -> Interaction | None:
        """The interaction of that id, or of that trace."""
        with explaining(self.host):
            row = await self._database["interactions"].find_one({"$or": [{"_id": key}, {"trace_id": key}]})
        return from_row(row, Interaction) if row else None

    async def rate(self, feedback: Feedback) -> Feedback:
        """Keeps feedback in the place of what the reader said before; the same again keeps its time."""
        row = to_row(feedback)
        with explaining(self.host):
            known = await self._database[FEEDBACK].find_one({"_id": row["_id"]})
            if known is not None and {**known, "at": row["at"]} == row:
                return from_row(known, Feedback)
            await self._database[FEEDBACK].replace_one({"_id": row["_id"]}, row, upsert=True)
        return feedback

    async def close(self) -> None:
        """Closes the connections. Safe to call when there are none."""
        if "_client" in self.__dict__:
            await self._client.close()
            del self._client

    @cached_property
    def _client(self) -> AsyncMongoClient[dict[str, Any]]:
        return AsyncMongoClient(self._uri, **client_options(self._timeout))

    @property
    def _database(self) -> AsyncDatabase[dict[str, Any]]:
        return self._client[self._name]
