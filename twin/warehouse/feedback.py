"""Feedback: what readers said of answers. It is kept beside the interaction that it is about, and goes with it."""

from __future__ import annotations

import itertools
import uuid
from datetime import datetime  # noqa: TC003 - msgspec reads the annotations at run time
from typing import TYPE_CHECKING, Any

import msgspec

from twin.records import NAMESPACE, Interaction
from twin.warehouse.conversion import from_row, to_row
from twin.warehouse.part import Part, pages

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["Feedback", "Ratings", "feedback_id"]

COLLECTION = "feedback"


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """What one reader said of one answer. They may say it again: the last word counts."""

    id: str
    """Of interaction and reader, see `feedback_id`."""
    interaction_id: str
    reader: str
    """Who said it, as a name that tells nobody who that is."""
    score: float | None = None
    """From 0, a thumb down, to 1, a thumb up; None where they said only how it should read."""
    correction: str = ""
    """The answer as they would have written it; personal data and secrets are placeholders."""
    comment: str = ""
    """Why; personal data and secrets are placeholders."""
    at: datetime
    """When they said it so for the first time."""


class Ratings(Part):
    """The part of the warehouse that holds feedback."""

    def keep(self, feedback: Feedback) -> None:
        """Keeps feedback in the place of what the reader said before."""
        row = to_row(feedback)
        with self._connection.reaching():
            self._connection.ensure_indexes()
            self._database[COLLECTION].replace_one({"_id": row["_id"]}, row, upsert=True)

    def read(self) -> Iterator[Feedback]:
        """All of it, by interaction."""
        for row in self._rows():
            yield from_row(row, Feedback)

    def state(self) -> str:
        """Changes whenever a reader says something, or what they said is deleted; costs no reading of it."""
        with self._connection.reaching():
            count = self._database[COLLECTION].count_documents({})
            last = self._database[COLLECTION].find_one({}, {"at": 1}, sort=[("at", -1)])
        return f"{count}/{last['at'].isoformat()}" if last else "0"

    def rated(self) -> Iterator[tuple[Interaction, list[Feedback]]]:
        """Every interaction that a reader said something of, with what was said, in the order of ids."""
        groups = itertools.groupby(self.read(), key=lambda said: said.interaction_id)
        for page in pages((key, list(said)) for key, said in groups):
            interactions = self._interactions([key for key, _ in page])
            yield from ((interactions[key], said) for key, said in page if key in interactions)

    def means(self, interaction_ids: Collection[str]) -> dict[str, float]:
        """The mean score of each of these interactions that was rated."""
        means: dict[str, float] = {}
        with self._connection.reaching():
            for page in pages(sorted(interaction_ids)):
                steps = [
                    {"$match": {"interaction_id": {"$in": page}, "score": {"$type": "number"}}},
                    {"$group": {"_id": "$interaction_id", "mean": {"$avg": "$score"}}},
                ]
                means |= {row["_id"]: row["mean"] for row in self._database[COLLECTION].aggregate(steps)}
        return means

    def _rows(self) -> Iterator[dict[str, Any]]:
        with self._connection.reaching():
            yield from self._database[COLLECTION].find().sort([("interaction_id", 1), ("_id", 1)])

    def _interactions(self, ids: list[str]) -> dict[str, Interaction]:
        return {found.id: found for found in self._read("interactions", {}, ids, Interaction)}


def feedback_id(interaction_id: str, reader: str) -> str:
    """The id of what a reader said of an interaction: saying it again replaces it."""
    return str(uuid.uuid5(NAMESPACE, f"feedback/{interaction_id}/{reader}"))
