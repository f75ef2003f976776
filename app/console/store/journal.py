"""The signed part of a version's history: what people found and decided, each entry over all before it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from app.console.store.reviews import decisions_of, event_of, timestamp
from twin.records import utcnow
from twin.registry.signatures import Decision, ReviewKey, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from pymongo.asynchronous.client_session import AsyncClientSession
    from pymongo.asynchronous.database import AsyncDatabase

    from twin.registry.blind import Tally

__all__ = ["Journal"]

Row = dict[str, Any]


class Journal:
    """Adds to the histories of versions and takes nothing away. Use it in a transaction: two writers at once conflict,
    and one of them starts over."""

    def __init__(self, database: AsyncDatabase[Row], key: ReviewKey, clock: Callable[[], datetime] = utcnow) -> None:
        self._versions = database["comet_model_versions"]
        self._key = key
        self._clock = clock

    def entry(
        self,
        verdict: Verdict,
        *,
        reviewer: str,
        manifest: bytes,
        comment: str = "",
        tally: Tally | None = None,
        waiver: str | None = None,
    ) -> Decision:
        """What a person says now of a version with this manifest, not yet signed."""
        return Decision(
            verdict=verdict,
            reviewer=reviewer,
            comment=comment,
            at=timestamp(self._clock()),
            manifest_sha256=hashlib.sha256(manifest).hexdigest(),
            tally=UNSET if tally is None else tally,
            waiver=UNSET if waiver is None else waiver,
        )

    def with_entry(self, row: Row, entry: Decision) -> list[Decision]:
        """The decisions on a version as they would be with one more, signed."""
        before = decisions_of(row)
        return [*before, self._key.sign(row["name"], row["version"], entry, before)]

    async def append(
        self, session: AsyncClientSession, row: Row, entry: Decision, *, values: Row, new_status: str
    ) -> None:
        """Signs an entry, adds it to a version's history and sets values of the version with it."""
        signed = self.with_entry(row, entry)[-1]
        event = event_of(signed, previous_status=row["status"], new_status=new_status)
        change = {"$set": {**values, "updated_at": self._clock()}, "$push": {"history": event}}
        await self._versions.update_one({"_id": row["_id"]}, change, session=session)

    async def version(self, session: AsyncClientSession, name: str, version: str) -> Row | None:
        """A version as the transaction sees it."""
        return await self._versions.find_one({"name": name, "version": version}, session=session)

    def replaced(self, by: Decision, version: str, earlier: Decision) -> Decision:
        """The entry of a version whose place in Production another one took."""
        return msgspec.structs.replace(
            by,
            verdict="replaced",
            comment=f"Version {version} was approved.",
            manifest_sha256=earlier.manifest_sha256,
            waiver=UNSET,
        )
