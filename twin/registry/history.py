"""What a registry's history says of a version's review, at Comet and at the console's stand-in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import UNSET

from twin.registry.contract import PRODUCTION
from twin.registry.policy import Policy, Standing, person
from twin.registry.signatures import Decision

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Happening", "about_production", "at_comet", "decisions_in", "happenings"]

REVIEW_ACTIONS: Mapping[str, Literal["pending", "approved", "rejected"]] = {
    "MODEL_VERSION_STATUS_REQUEST_CHANGE": "pending",
    "MODEL_VERSION_STATUS_REQUEST_APPROVED": "approved",
    "MODEL_VERSION_STATUS_REQUEST_REJECTED": "rejected",
}


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a version's history, as a person reads it."""

    what: str
    """Such as `status request approved`."""
    by: str
    """Empty where the pipeline did it."""
    comment: str = ""
    at: str = ""
    """ISO 8601, where the registry tells it."""


def happenings(events: Sequence[Mapping[str, Any]]) -> list[Happening]:
    """A registry's events, newest first, as a history with the oldest first."""
    return [_happening(event) for event in reversed(events)]


def about_production(events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those of a version's events that ask for Production or answer that, in their order."""
    return [
        event
        for event in events
        if event["actionType"] in REVIEW_ACTIONS and event["newValue"].get("registryModelStatus") == PRODUCTION
    ]


def decisions_in(events: Sequence[Mapping[str, Any]]) -> list[Decision]:
    """The decisions in events that are newest first, the oldest first.

    Raises:
        msgspec.ValidationError: One is of another shape.
    """
    return msgspec.convert([event["decision"] for event in reversed(events) if event.get("decision")], list[Decision])


def at_comet(events: Sequence[Mapping[str, Any]], status: str, policy: Policy) -> Standing:
    """Where a review stands by what was decided on Comet's own page: each decision is one vote of a named person.

    Comet closes a request with its first answer. Where the policy asks for more people, those who follow answer
    another request, and until then a version in Production is pending.

    Args:
        events: Those of the version's history that are about a request for Production, newest first.
        status: The version's.
        policy: What an approval takes.
    """
    newest = REVIEW_ACTIONS[events[0]["actionType"]] if events else None
    if newest == "rejected" and status != PRODUCTION:
        return Standing(state="rejected")
    approvals = [event for event in events if REVIEW_ACTIONS[event["actionType"]] == "approved"]
    voters = {person(name): name for event in reversed(approvals) if (name := str(event.get("userName") or ""))}
    enough = len(voters) >= policy.approvals or (policy.approvals == 1 and (status == PRODUCTION or bool(approvals)))
    if enough:
        return Standing(state="approved", approved_by=tuple(voters.values()))
    return Standing(state="pending" if newest or status == PRODUCTION else "none", approved_by=tuple(voters.values()))


def _happening(event: Mapping[str, Any]) -> Happening:
    what = str(event.get("actionType", "")).removeprefix("MODEL_VERSION_").replace("_", " ").lower()
    by, comment = str(event.get("userName") or ""), str(event.get("comment") or "")
    try:
        decision = msgspec.convert(event.get("decision"), Decision)
    except msgspec.ValidationError:
        return Happening(what=what, by=by, comment=comment, at=_moment(event))
    if decision.waiver is not UNSET:
        comment = f"Approved by a waiver ({decision.waiver}), no blind review. {comment}".strip()
    if decision.tally is not UNSET:
        found = decision.tally
        comment = f"{found.tuned} for the tuned model, {found.base} for its base, {found.ties} tied. {comment}".strip()
    return Happening(what=what, by=by, comment=comment, at=decision.at)


def _moment(event: Mapping[str, Any]) -> str:
    """Comet tells milliseconds since 1970; the stand-in tells them too."""
    created = event.get("createdAt")
    if not isinstance(created, int | float):
        return ""
    return datetime.fromtimestamp(created / 1_000, UTC).isoformat(timespec="milliseconds")
