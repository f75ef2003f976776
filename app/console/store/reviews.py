"""A version's decisions, as they are kept in its history, and where they leave its review.

Each decision is an event that is signed (`twin.registry.signatures`), because whoever reaches the database can write
anything there. Versions that were decided before there were signatures have events without one.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, UnsetType

from twin.registry.blind import Tally
from twin.registry.contract import DEVELOPMENT, PRODUCTION
from twin.registry.policy import Policy, Standing, standing
from twin.registry.signatures import Decision, ReviewKey, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["decision_of", "decisions_of", "event_of", "last_word", "standing_of", "target_of", "timestamp"]

Row = dict[str, Any]

ACTIONS: Mapping[Verdict, str] = {
    "approved": "MODEL_VERSION_STATUS_REQUEST_APPROVED",
    "rejected": "MODEL_VERSION_STATUS_REQUEST_REJECTED",
    "replaced": "MODEL_VERSION_STATUS_CHANGED",
    "compared": "MODEL_VERSION_ANSWERS_COMPARED",
}
VERDICTS = {action: verdict for verdict, action in ACTIONS.items()}

SIGNED = ("manifest_sha256", "before", "signature")
"""The parts of a decision that an event has beside what every event has."""


def decisions_of(row: Row) -> list[Decision]:
    """The decisions in a version's history, the oldest first, as they are recorded and whoever wrote them."""
    return [decision for event in row["history"] if (decision := decision_of(event))]


def last_word(decisions: Sequence[Decision]) -> Decision | None:
    """The newest vote on the version itself."""
    votes = (decision for decision in reversed(decisions) if decision.verdict in ("approved", "rejected"))
    return next(votes, None)


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
        tally=_tally(signed.get("tally")),
        waiver=UNSET if signed.get("waiver") is None else str(signed["waiver"]),
    )


def standing_of(
    row: Row, key: ReviewKey | None, manifest: bytes, policy: Policy, decisions: Sequence[Decision] | None = None
) -> Standing:
    """Where a version's review stands by the decisions that the key verifies: those recorded, or those given."""
    return standing(
        key,
        policy=policy,
        name=row["name"],
        version=row["version"],
        status=row["status"],
        manifest=manifest,
        requested=bool(row["request"]),
        decisions=decisions_of(row) if decisions is None else decisions,
    )


def target_of(row: Row, verdict: Verdict) -> str:
    """The status that a verdict gives a version."""
    if verdict == "approved":
        return PRODUCTION
    return DEVELOPMENT if row["status"] == PRODUCTION else row["status"]


def event_of(decision: Decision, *, previous_status: str, new_status: str) -> Row:
    """A signed decision as an event of a version's history."""
    parts = msgspec.to_builtins(decision)
    return {
        "action": ACTIONS[decision.verdict],
        "at": datetime.fromisoformat(decision.at),
        "by": decision.reviewer,
        "comment": decision.comment,
        "previous": {"registryModelStatus": previous_status},
        "new": {"registryModelStatus": new_status},
        "signed": {name: parts[name] for name in (*SIGNED, "tally", "waiver") if name in parts},
    }


def _tally(kept: object) -> Tally | UnsetType:
    """A tally as it is kept; none where there is something else, which the signature then does not fit."""
    try:
        return msgspec.convert(kept, Tally)
    except msgspec.ValidationError:
        return UNSET


def timestamp(moment: datetime) -> str:
    """A moment in UTC, as exact as MongoDB keeps it."""
    return moment.isoformat(timespec="milliseconds")
