"""A version's decisions, as they are kept in its history, and where they leave its review.

Each decision is an event that is signed (`twin.registry.signatures`), because whoever reaches the database can write
anything there. Versions that were decided before there were signatures have events without one.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from twin.registry.contract import DEVELOPMENT, PRODUCTION
from twin.registry.signatures import Decision, ReviewKey, Verdict, review_state

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twin.records import ReviewState

__all__ = ["decision_of", "decisions_of", "event_of", "last_word", "state_of", "target_of", "timestamp"]

Row = dict[str, Any]

ACTIONS: Mapping[Verdict, str] = {
    "approved": "MODEL_VERSION_STATUS_REQUEST_APPROVED",
    "rejected": "MODEL_VERSION_STATUS_REQUEST_REJECTED",
    "replaced": "MODEL_VERSION_STATUS_CHANGED",
}
VERDICTS = {action: verdict for verdict, action in ACTIONS.items()}

SIGNED = ("manifest_sha256", "before", "signature")
"""The parts of a decision that an event has beside what every event has."""


def decisions_of(row: Row) -> list[Decision]:
    """The decisions in a version's history, the oldest first, as they are recorded and whoever wrote them."""
    return [decision for event in row["history"] if (decision := decision_of(event))]


def last_word(decisions: Sequence[Decision]) -> Decision | None:
    """The newest decision that is on the version itself and not on the one that replaced it."""
    return next((decision for decision in reversed(decisions) if decision.verdict != "replaced"), None)


def decision_of(event: Row) -> Decision | None:
    """The decision that an event of a version's history is; None for other events."""
    verdict, signed = VERDICTS.get(event["action"]), event.get("signed") or {}
    if verdict is None or (verdict == "replaced" and not signed):
        return None
    return Decision(
        verdict=verdict,
        reviewer=str(event["by"]),
        comment=str(event["comment"] or ""),
        at=timestamp(event["at"]),
        **{name: str(signed.get(name, "")) for name in SIGNED},
    )


def state_of(row: Row, key: ReviewKey | None, manifest: bytes) -> ReviewState:
    """Where a version's review stands, by the decisions that the key verifies."""
    return review_state(
        key,
        name=row["name"],
        version=row["version"],
        status=row["status"],
        manifest=manifest,
        requested=bool(row["request"]),
        decisions=decisions_of(row),
    )


def target_of(row: Row, verdict: Verdict) -> str:
    """The status that a verdict gives a version."""
    if verdict == "approved":
        return PRODUCTION
    return DEVELOPMENT if row["status"] == PRODUCTION else row["status"]


def event_of(decision: Decision, *, previous_status: str, new_status: str) -> Row:
    """A signed decision as an event of a version's history."""
    return {
        "action": ACTIONS[decision.verdict],
        "at": datetime.fromisoformat(decision.at),
        "by": decision.reviewer,
        "comment": decision.comment,
        "previous": {"registryModelStatus": previous_status},
        "new": {"registryModelStatus": new_status},
        "signed": {name: getattr(decision, name) for name in SIGNED},
    }


def timestamp(moment: datetime) -> str:
    """A moment in UTC, as exact as MongoDB keeps it."""
    return moment.isoformat(timespec="milliseconds")
