"""What may be deployed: how many named people must have approved it, and what each of them must have seen first.

One rule for every place that asks: the console when a person decides, and whoever is about to deploy. It reads the
signed history of a version (`twin.registry.signatures`) and takes nobody's word for anything else.
"""

from __future__ import annotations

import hashlib
import unicodedata
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import UNSET

from twin.records import ReviewState  # noqa: TC001 - msgspec reads the annotations at run time
from twin.registry import blind
from twin.registry.contract import PRODUCTION
from twin.registry.manifests import decode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twin.registry.signatures import Decision, ReviewKey

__all__ = ["ONE_APPROVAL", "GateVerdict", "Policy", "Standing", "gate_verdict", "has_compared", "person", "standing"]

GateVerdict = Literal["not worse", "worse", "cannot tell", "unknown"]
GATE_VERDICTS: Mapping[str, GateVerdict] = {name: name for name in ("not worse", "worse", "cannot tell")}


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What an approval takes."""

    approvals: int = 1
    """People, by their names, who must have approved the manifest as it is."""


ONE_APPROVAL = Policy()


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where the review of a version stands."""

    state: ReviewState
    approved_by: tuple[str, ...] = ()
    """Whose approvals count, the oldest first."""
    waived: bool = False
    """No approval that counts was given by somebody who reviewed: all of them are waivers."""


def standing(
    key: ReviewKey | None,
    *,
    policy: Policy,
    name: str,
    version: str,
    status: str,
    manifest: bytes,
    requested: bool,
    decisions: Sequence[Decision],
) -> Standing:
    """Where the review of a version stands, taking nothing for a decision but what the key verifies.

    The last word of each person counts. One rejection rejects. A version that another one replaced returns to
    Production by a new approval alone.

    Args:
        key: The reviewers'; without it nothing can be verified.
        policy: What an approval takes.
        name: The model.
        version: Its version.
        status: What the registry says that the version's status is.
        manifest: The bytes of the version's manifest.
        requested: Whether a review was asked for.
        decisions: What the registry has of decisions, the oldest first.
    """
    in_production = status == PRODUCTION
    if not decisions and not in_production:
        return Standing(state="pending" if requested else "none")
    if key is None or not key.verifies(name, version, decisions) or not is_of(decisions[-1], manifest):
        return Standing(state="unverified")
    made = [decision for decision in key.signed(name, version, decisions) if is_of(decision, manifest)]
    votes = {person(vote.reviewer): vote for vote in made if vote.verdict in ("approved", "rejected")}
    if any(vote.verdict == "rejected" for vote in votes.values()):
        return Standing(state="rejected")
    counted = [vote for vote in votes.values() if _counts(vote, made, manifest)]
    found = Standing(
        state="approved",
        approved_by=tuple(vote.reviewer for vote in counted),
        waived=bool(counted) and all(vote.waiver is not UNSET for vote in counted),
    )
    if in_production and (not counted or _is_replaced(made)):
        return msgspec.structs.replace(found, state="unverified")
    return found if len(counted) >= policy.approvals else msgspec.structs.replace(found, state="pending")


def is_of(decision: Decision, manifest: bytes) -> bool:
    """Whether a decision was made on just this manifest."""
    return decision.manifest_sha256 == hashlib.sha256(manifest).hexdigest()


def has_compared(decisions: Sequence[Decision], reviewer: str, manifest: bytes) -> bool:
    """Whether, of decisions that were verified, one is this person's blind comparison of this manifest's answers."""
    return any(
        decision.verdict == "compared" and person(decision.reviewer) == person(reviewer) and is_of(decision, manifest)
        for decision in decisions
    )


def person(name: str) -> str:
    """A reviewer's name as it is compared: however it is spaced, composed and capitalised, it is one person's."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def gate_verdict(manifest: Mapping[str, Any]) -> GateVerdict:
    """What the gate said of a version; `unknown` for manifests of before it said anything."""
    gate = manifest.get("gate")
    verdict = gate.get("verdict") if isinstance(gate, dict) else None
    return GATE_VERDICTS.get(verdict, "unknown") if isinstance(verdict, str) else "unknown"


def _counts(vote: Decision, made: Sequence[Decision], manifest: bytes) -> bool:
    """Whether an approval is one: its author compared before, or waived that, or there was nothing to compare."""
    if vote.waiver is not UNSET or not blind.is_possible(decode(manifest)):
        return True
    return has_compared(made[: made.index(vote)], vote.reviewer, manifest)


def _is_replaced(made: Sequence[Decision]) -> bool:
    """Whether another version took this one's place and nobody has approved it again since."""
    since = next((vote.verdict for vote in reversed(made) if vote.verdict in ("approved", "replaced")), None)
    return since == "replaced"
