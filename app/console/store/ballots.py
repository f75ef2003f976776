"""What reviewers chose blind, before they were told which model wrote what."""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import TYPE_CHECKING, Any

import msgspec
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from app.console.store.journal import Journal
from app.console.store.reviews import standing_of
from twin.errors import AlreadyDecided, InputError, UnknownName
from twin.records import utcnow
from twin.registry import blind
from twin.registry.blind import Choice, Pair, Tally
from twin.registry.manifests import decode
from twin.registry.policy import Policy, person

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from pymongo.asynchronous.client_session import AsyncClientSession
    from pymongo.asynchronous.database import AsyncDatabase

    from twin.registry.signatures import ReviewKey

__all__ = ["Ballot", "BallotStore"]

Row = dict[str, Any]


class Ballot(msgspec.Struct, frozen=True, kw_only=True):
    """One person's pairs of one version, and what they chose so far."""

    pairs: list[Pair]
    choices: dict[int, Choice]
    is_complete: bool
    """All choices are stored and can no longer be changed. Only now may anybody be told the sides."""

    @property
    def tally(self) -> Tally | None:
        """The count; None before the ballot is complete."""
        return blind.tally(self.pairs, self.choices) if self.is_complete else None


class BallotStore:
    """Ballots in the collection `comet_ballots`, one for each person and manifest of a version.

    A ballot's seed says which answer is which. It is drawn when the ballot is opened, by nobody's name and by no token,
    so that nobody can work it out, and stays what it is however often the page is opened.
    """

    def __init__(
        self, database: AsyncDatabase[Row], key: ReviewKey, policy: Policy, clock: Callable[[], datetime] = utcnow
    ) -> None:
        self._client = database.client
        self._ballots = database["comet_ballots"]
        self._journal = Journal(database, key, clock)
        self._key = key
        self._policy = policy
        self._clock = clock

    async def find(self, row: Row, manifest: bytes, reviewer: str) -> Ballot | None:
        """A person's ballot on a version with this manifest, if it was opened."""
        kept = await self._ballots.find_one({"_id": _id_of(row, manifest, reviewer)})
        return _ballot(kept, manifest) if kept else None

    async def open(self, row: Row, manifest: bytes, reviewer: str) -> Ballot:
        """A person's ballot on a version with this manifest: the one they have, or a new one.

        Raises:
            InputError: There are too few pairs.
            AlreadyDecided: The version was decided, and this person has no ballot.
        """
        if found := await self.find(row, manifest, reviewer):
            return found
        if not blind.is_possible(decode(manifest)):
            raise InputError(
                f"Version {row['version']} has fewer than {blind.LEAST_PAIRS} pairs of answers that differ: too few "
                "to be compared blind."
            )
        state = standing_of(row, self._key, manifest, self._policy).state
        if state in ("approved", "rejected"):
            raise AlreadyDecided(f"Version {row['version']} was {state} already; nothing is left to compare.")
        new = {"seed": secrets.token_hex(16), "reviewer": reviewer, "choices": {}, "completed_at": None}
        wanted = {"_id": _id_of(row, manifest, reviewer)}
        change = {"$setOnInsert": {**new, "name": row["name"], "version": row["version"], "opened_at": self._clock()}}
        try:
            kept = await self._ballots.find_one_and_update(
                wanted, change, upsert=True, return_document=ReturnDocument.AFTER
            )
        except DuplicateKeyError:  # opened twice at once
            kept = await self._ballots.find_one(wanted)
        return _ballot(kept or {}, manifest)

    async def choose(self, row: Row, manifest: bytes, reviewer: str, choices: Mapping[int, Choice]) -> Ballot:
        """Stores choices by the pairs' numbers. With the last of them the ballot is complete, signed and closed.

        Raises:
            InputError: A number is none of the ballot's, or too few pairs.
            AlreadyDecided: The ballot is complete, and these are other choices.
        """
        await self.open(row, manifest, reviewer)
        async with self._client.start_session() as session:
            return await session.with_transaction(
                lambda session: self._choose(session, row, manifest, reviewer, choices)
            )

    async def _choose(
        self, session: AsyncClientSession, row: Row, manifest: bytes, reviewer: str, choices: Mapping[int, Choice]
    ) -> Ballot:
        wanted = {"_id": _id_of(row, manifest, reviewer)}
        kept = await self._ballots.find_one(wanted, session=session)
        if kept is None:
            raise UnknownName("This comparison is gone; open the version's review page again.")
        before = _ballot(kept, manifest)
        numbers = {pair.number for pair in before.pairs}
        if unknown := sorted(set(choices) - numbers):
            raise InputError(f"There is no pair {unknown[0]}; there are {len(numbers)}.")
        after = {**before.choices, **choices}
        if before.is_complete:
            if after != before.choices:
                raise AlreadyDecided("You have made all choices and were told who wrote what; they stay as they are.")
            return before
        complete = set(after) == numbers
        stored = {str(number): choice for number, choice in sorted(after.items())}
        change = {"choices": stored, "completed_at": self._clock() if complete else None}
        await self._ballots.update_one(wanted, {"$set": change}, session=session)
        if complete:
            await self._sign(session, row, manifest, reviewer, blind.tally(before.pairs, after))
        return msgspec.structs.replace(before, choices=after, is_complete=complete)

    async def _sign(self, session: AsyncClientSession, row: Row, manifest: bytes, reviewer: str, tally: Tally) -> None:
        now = await self._journal.version(session, row["name"], row["version"])
        if now is None:
            raise UnknownName(f"There is no version {row['version']!r} of model {row['name']!r}.")
        entry = self._journal.entry("compared", reviewer=reviewer, manifest=manifest, tally=tally)
        await self._journal.append(session, now, entry, values={}, new_status=now["status"])


def _id_of(row: Row, manifest: bytes, reviewer: str) -> str:
    of = [row["workspace"], row["name"], row["version"], hashlib.sha256(manifest).hexdigest(), person(reviewer)]
    return hashlib.sha256(json.dumps(of).encode()).hexdigest()


def _ballot(kept: Row, manifest: bytes) -> Ballot:
    return Ballot(
        pairs=blind.drawn(decode(manifest), kept["seed"]),
        choices={int(number): choice for number, choice in kept["choices"].items()},
        is_complete=kept["completed_at"] is not None,
    )
