"""The warehouse: everything that is kept in MongoDB, as records."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

from twin.records import Interaction
from twin.warehouse import lease
from twin.warehouse.cleaned import CANONICAL, CleanedDocuments
from twin.warehouse.conversion import from_row, to_row
from twin.warehouse.part import LIVE
from twin.warehouse.raw import RawDocuments
from twin.warehouse.runs import Runs
from twin.warehouse.sources import Sources
from twin.warehouse.transfer import Transfer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime

__all__ = ["Warehouse"]


class Warehouse(RawDocuments, Sources, Runs, CleanedDocuments, Transfer):
    """Documents with revisions and tombstones, their cleaned forms, sources, interactions and the publishing lock.

    Connects on first use. Safe to share between threads. Every method raises WarehouseUnavailable when MongoDB does not
    answer within `timeout_seconds`; what was written until then is whole, and repeating the call completes it.
    """

    def data_version(self, collection: Literal["raw_documents", "cleaned_documents"]) -> str:
        """A hash over what the live (or canonical cleaned) documents are; equal content gives equal versions.

        A sum of hashes, so that it needs neither an order nor memory; texts are not read.
        """
        condition = LIVE if collection == "raw_documents" else CANONICAL
        total = 0
        for pair in self._pairs(collection, condition, "hash"):
            total += int.from_bytes(hashlib.sha256("/".join(pair).encode()).digest(), "big")
        return f"{total % 2**256:064x}"[:32]

    # Interactions

    def record_interaction(self, interaction: Interaction) -> None:
        """Stores an interaction; storing it again replaces it."""
        row = to_row(interaction)
        with self._connection.reaching():
            self._ensure_indexes()
            self._database["interactions"].replace_one({"_id": row["_id"]}, row, upsert=True)

    def interactions(self, since: datetime | None = None) -> Iterator[Interaction]:
        """The interactions from `since` on, oldest first."""
        condition = {"created_at": {"$gte": since}} if since else {}
        with self._connection.reaching():
            for row in self._database["interactions"].find(condition).sort([("created_at", 1), ("_id", 1)]):
                yield from_row(row, Interaction)

    # The locks

    def publish_lock(
        self, owner: str, *, lease_seconds: float = 60, wait_seconds: float = 0
    ) -> AbstractContextManager[lease.Lease]:
        """Holds the one publishing lock within the block, however long the block takes.

        Raises:
            PublishConflict: Someone else still holds it after `wait_seconds` (who, and until when, is in the message),
                or it was lost.
        """
        return lease.hold(self._connection, "publish", owner, lease_seconds, wait_seconds)

    def collect_lock(
        self, owner: str, *, lease_seconds: float = 60, wait_seconds: float = 0
    ) -> AbstractContextManager[lease.Lease]:
        """Holds the lock of whoever writes raw documents; see `publish_lock`.

        Apart from that one, as reading a large site takes hours, in which a trained model must not wait to be stored.
        """
        return lease.hold(self._connection, "collect", owner, lease_seconds, wait_seconds)
