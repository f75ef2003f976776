"""The one way to Production: a person's decision, counted by the policy."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from app.console.store.journal import Journal
from app.console.store.reviews import decisions_of, last_word, standing_of, target_of
from twin.errors import AlreadyDecided, InputError, ReviewRequired, UnknownName
from twin.records import utcnow
from twin.registry import blind
from twin.registry.contract import ARCHIVED, PRODUCTION
from twin.registry.manifests import decode
from twin.registry.policy import Policy, Standing, gate_verdict, has_compared, person
from twin.registry.signatures import Decision, ReviewKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymongo.asynchronous.client_session import AsyncClientSession
    from pymongo.asynchronous.database import AsyncDatabase

__all__ = ["DecisionStore"]

Row = dict[str, Any]


class DecisionStore:
    """Votes on versions in `comet_model_versions`, signed with the reviewers' key."""

    def __init__(
        self, database: AsyncDatabase[Row], key: ReviewKey, policy: Policy, clock: Callable[[], datetime] = utcnow
    ) -> None:
        self._client = database.client
        self._models = database["comet_models"]
        self._versions = database["comet_model_versions"]
        self._journal = Journal(database, key, clock)
        self._key = key
        self._policy = policy
        self._clock = clock

    async def decide(
        self,
        name: str,
        version: str,
        verdict: Literal["approved", "rejected"],
        *,
        reviewer: str,
        comment: str,
        manifest: bytes,
        waiver: str | None = None,
    ) -> Row:
        """Records and signs a person's vote on a version with this manifest.

        The approval with which the policy is content moves the version to Production and its predecessor to Archived;
        those before it leave the version as it is. A rejection rejects. Deciding the same again changes nothing, except
        that an approved version that another one has replaced is brought back. What no signature stands behind was not
        decided. Two decisions at once on one model happen one after the other.

        Raises:
            AlreadyDecided: It was decided the other way.
            ReviewRequired: The answers were not compared, or that is waived although another version was approved.
            InputError: The gate found the version worse, so that nobody may approve it.
            UnknownName: There is no such version.
        """
        entry = self._journal.entry(verdict, reviewer=reviewer, comment=comment, manifest=manifest, waiver=waiver)
        async with self._client.start_session() as session:
            return await session.with_transaction(lambda session: self._decide(session, name, version, entry, manifest))

    async def _decide(
        self, session: AsyncClientSession, name: str, version: str, entry: Decision, manifest: bytes
    ) -> Row:
        row = await self._journal.version(session, name, version)
        if row is None:
            raise UnknownName(f"There is no version {version!r} of model {name!r}.")
        found, target = standing_of(row, self._key, manifest, self._policy), target_of(row, entry.verdict)
        _refuse_to_turn_round(row, found, entry)
        request: Row = row["request"] or {"status": PRODUCTION, "comment": None, "at": self._clock()}
        if found.state == entry.verdict == request.get("state") and row["status"] == target:
            return row
        if entry.verdict == "approved" and found.state == "pending" and _voted(found, entry):
            return row
        if entry.verdict == "approved":
            await self._may_approve(session, row, found, entry, manifest)
        # Every decision writes the model's own record, so that two at once conflict and one of them starts over.
        same_model = {"workspace": row["workspace"], "name": name}
        await self._models.update_one(same_model, {"$set": {"decided_at": self._clock()}}, session=session)
        await self._record(session, row, entry, manifest, request, target)
        return await self._journal.version(session, name, version) or row

    async def _record(
        self, session: AsyncClientSession, row: Row, entry: Decision, manifest: bytes, request: Row, target: str
    ) -> None:
        """Adds the vote, and moves the version where it decides."""
        decisions = self._journal.with_entry(row, entry)
        if standing_of(row, self._key, manifest, self._policy, decisions).state != entry.verdict:
            values: Row = {"request": {**request, "state": "pending"}}
            await self._journal.append(session, row, entry, values=values, new_status=target)
            return
        if entry.verdict == "approved":
            await self._archive_others(session, row, entry)
        answered = {
            **request,
            "state": entry.verdict,
            "reviewer": entry.reviewer,
            "decided_at": datetime.fromisoformat(entry.at),
            "decision_comment": entry.comment,
        }
        new = request["status"] if entry.verdict == "rejected" else target
        values = {"status": target, "request": answered}
        await self._journal.append(session, row, entry, values=values, new_status=new)

    async def _may_approve(
        self, session: AsyncClientSession, row: Row, found: Standing, entry: Decision, manifest: bytes
    ) -> None:
        """Raises ReviewRequired or InputError where this person may not approve this version now."""
        decoded = decode(manifest)
        if gate_verdict(decoded) == "worse":
            raise InputError(
                f"The evaluation gate found version {row['version']} worse than what it was compared with; it cannot "
                "be approved. Train another."
            )
        if isinstance(entry.waiver, str):
            others = {"workspace": row["workspace"], "name": row["name"], "request.state": "approved"}
            if await self._versions.find_one({**others, "_id": {"$ne": row["_id"]}}, session=session):
                raise ReviewRequired(
                    "A waiver is for the first version of a model; this one is for a person to review."
                )
            return
        compared = has_compared(
            self._key.signed(row["name"], row["version"], decisions_of(row)), entry.reviewer, manifest
        )
        if found.state != "approved" and blind.is_possible(decoded) and not compared:
            raise ReviewRequired(
                f"Compare the answers of version {row['version']} blind before you approve it, as {entry.reviewer}: on "
                f"the console's review page, or with `llm-twin models review {row['version']}`."
            )

    async def _archive_others(self, session: AsyncClientSession, row: Row, entry: Decision) -> None:
        """Moves what is in Production to Archived; where that was rightly approved, signed, so that it stays there."""
        others = {"workspace": row["workspace"], "name": row["name"], "status": PRODUCTION, "_id": {"$ne": row["_id"]}}
        for other in await self._versions.find(others, session=session).to_list():
            earlier = decisions_of(other)
            if not self._key.verifies(other["name"], other["version"], earlier) or earlier[-1].verdict == "rejected":
                change = {"$set": {"status": ARCHIVED, "updated_at": self._clock()}}
                await self._versions.update_one({"_id": other["_id"]}, change, session=session)
                continue
            replaced = self._journal.replaced(entry, row["version"], earlier[-1])
            await self._journal.append(session, other, replaced, values={"status": ARCHIVED}, new_status=ARCHIVED)


def _refuse_to_turn_round(row: Row, found: Standing, entry: Decision) -> None:
    if found.state not in ("approved", "rejected") or found.state == entry.verdict:
        return
    decided = last_word(decisions_of(row))
    whom = decided.reviewer if decided else "somebody"
    raise AlreadyDecided(
        f"Version {row['version']} of {row['name']!r} was {found.state} by {whom}. "
        "Register a new version to have it reviewed again."
    )


def _voted(found: Standing, entry: Decision) -> bool:
    return person(entry.reviewer) in map(person, found.approved_by)
