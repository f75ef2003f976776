"""A model version as the console's pages and decisions need it: its manifest, and where its review really stands."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from app.console.store.ballots import Ballot, BallotStore
from app.console.store.comet import ExperimentStore
from app.console.store.reviews import decisions_of, last_word, standing_of
from twin.registry import blind
from twin.registry.manifests import MANIFEST_FILE, decode
from twin.registry.policy import Policy, Standing
from twin.registry.signatures import Decision, ReviewKey

if TYPE_CHECKING:
    from pymongo.asynchronous.database import AsyncDatabase

    from twin.records import ReviewState

__all__ = ["Reviewed", "ballot_of", "is_sealed", "manifest_of", "reviewed"]


class Reviewed(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A version with the state of its review, by the decisions that the reviewers' key verifies."""

    row: dict[str, Any]
    manifest: bytes
    standing: Standing
    decision: Decision | None
    """The newest vote that is recorded of this version itself; nobody's word where the state is `unverified`."""

    @property
    def state(self) -> ReviewState:
        return self.standing.state

    @property
    def decided_at(self) -> datetime | None:
        return datetime.fromisoformat(self.decision.at) if self.decision else None

    @cached_property
    def decoded(self) -> dict[str, Any]:
        """The manifest's content."""
        return decode(self.manifest)


async def reviewed(
    row: dict[str, Any], database: AsyncDatabase[dict[str, Any]], token: str | None, policy: Policy
) -> Reviewed:
    """A version's row with its manifest, its review verified with the reviewers' token."""
    manifest = await manifest_of(row, database)
    return Reviewed(
        row=row,
        manifest=manifest,
        standing=standing_of(row, ReviewKey(token) if token else None, manifest, policy),
        decision=last_word(decisions_of(row)),
    )


async def manifest_of(row: dict[str, Any], database: AsyncDatabase[dict[str, Any]]) -> bytes:
    """The manifest that a version was registered with; nothing when it has none."""
    return await ExperimentStore(database).model_file(row["experiment"], row["logged_model"], MANIFEST_FILE)


async def ballot_of(
    shown: Reviewed, database: AsyncDatabase[dict[str, Any]], token: str | None, policy: Policy, reviewer: str | None
) -> Ballot | None:
    """What a reviewer chose blind on a version, if they are known and opened it."""
    if token is None or reviewer is None:
        return None
    return await BallotStore(database, ReviewKey(token), policy).find(shown.row, shown.manifest, reviewer)


def is_sealed(shown: Reviewed, ballot: Ballot | None) -> bool:
    """Whether a page must not tell which model wrote what, nor how either scored.

    A version that can be compared blind is sealed until it was decided. Who made all choices sees it at once; who is
    not known to have made them, signed in or not, does not.
    """
    if shown.state in ("approved", "rejected") or not blind.is_possible(shown.decoded):
        return False
    return ballot is None or not ballot.is_complete
