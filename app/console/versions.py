"""A model version as the console's pages and decisions need it: its manifest, and where its review really stands."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from app.console.store.comet import ExperimentStore
from app.console.store.reviews import decisions_of, last_word, state_of
from twin.registry.manifests import MANIFEST_FILE
from twin.registry.signatures import Decision, ReviewKey

if TYPE_CHECKING:
    from pymongo.asynchronous.database import AsyncDatabase

    from twin.records import ReviewState

__all__ = ["Reviewed", "manifest_of", "reviewed"]


class Reviewed(msgspec.Struct, frozen=True, kw_only=True):
    """A version with the state of its review, by the decisions that the reviewer's key verifies."""

    row: dict[str, Any]
    manifest: bytes
    state: ReviewState
    decision: Decision | None
    """The newest that is recorded of this version itself; nobody's word where the state is `unverified`."""

    @property
    def decided_at(self) -> datetime | None:
        return datetime.fromisoformat(self.decision.at) if self.decision else None


async def reviewed(row: dict[str, Any], database: AsyncDatabase[dict[str, Any]], token: str | None) -> Reviewed:
    """A version's row with its manifest, its review verified with the reviewer's token."""
    manifest = await manifest_of(row, database)
    return Reviewed(
        row=row,
        manifest=manifest,
        state=state_of(row, ReviewKey(token) if token else None, manifest),
        decision=last_word(decisions_of(row)),
    )


async def manifest_of(row: dict[str, Any], database: AsyncDatabase[dict[str, Any]]) -> bytes:
    """The manifest that a version was registered with; nothing when it has none."""
    return await ExperimentStore(database).model_file(row["experiment"], row["logged_model"], MANIFEST_FILE)
