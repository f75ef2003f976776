"""Reviews that cannot be forged in a database: each decision is signed with a key made from the reviewer's token.

The console signs when a person decides (`app.console.review`), and whoever is about to deploy verifies. A decision
covers the version's name, the content of its manifest, and every decision on that version before it. So none can be
altered, moved to another version or another manifest, taken out of the middle, or played again after a later one.

What remains to one who can write the database is to remove the newest decisions of a version, all that came after one
of them: the history then says what it said at that time. That brings back what a person once approved, and never what
nobody did.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Literal

import msgspec

from twin.registry.contract import PRODUCTION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.records import ReviewState

__all__ = ["Decision", "ReviewKey", "Verdict", "review_state"]

PURPOSE = b"llm-twin: signatures of model reviews, 1"
"""Keeps this key apart from others that are made of the same token."""

Verdict = Literal["approved", "rejected", "replaced"]
"""`replaced`: a reviewer approved another version, which took this one's place in Production."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a reviewer decided on one version, as it is kept. Without a signature it counts as anybody's word."""

    verdict: Verdict
    reviewer: str
    comment: str
    at: str
    """ISO 8601, to the millisecond."""
    manifest_sha256: str = ""
    """Of the manifest's bytes."""
    before: str = ""
    """SHA-256 of all decisions on the version until then, their signatures included."""
    signature: str = ""


class ReviewKey:
    """Signs decisions and verifies them. It is made of the reviewer's token, and whoever reads that can sign too."""

    def __init__(self, token: str) -> None:
        self._key = hmac.digest(token.encode(), PURPOSE, hashlib.sha256)

    def sign(self, name: str, version: str, decision: Decision, before: Sequence[Decision]) -> Decision:
        """The decision as the one that follows `before`, signed for this version of this model."""
        chained = msgspec.structs.replace(decision, before=digest(before))
        return msgspec.structs.replace(chained, signature=self._signature(name, version, chained))

    def verifies(self, name: str, version: str, decisions: Sequence[Decision]) -> bool:
        """Whether the newest (last) decision was signed, on this version, over just those before it.

        The older ones need no look: the newest covers them, and who made it saw them as they are.
        """
        if not decisions:
            return False
        *before, newest = decisions
        signature = self._signature(name, version, newest)
        return hmac.compare_digest(newest.signature.encode(), signature.encode()) and newest.before == digest(before)

    def _signature(self, name: str, version: str, decision: Decision) -> str:
        unsigned = msgspec.structs.replace(decision, signature="")
        return hmac.new(self._key, msgspec.json.encode((name, version, unsigned)), hashlib.sha256).hexdigest()


def review_state(
    key: ReviewKey | None,
    *,
    name: str,
    version: str,
    status: str,
    manifest: bytes,
    requested: bool,
    decisions: Sequence[Decision],
) -> ReviewState:
    """Where the review of a version stands, taking nothing for a decision but what the key verifies.

    Args:
        key: The reviewer's; without it nothing can be verified.
        name: The model.
        version: Its version.
        status: What the registry says that the version's status is.
        manifest: The bytes of the version's manifest.
        requested: Whether a review was asked for.
        decisions: What the registry has of decisions, the oldest first.
    """
    if not decisions and status != PRODUCTION:
        return "pending" if requested else "none"
    if key is None or not key.verifies(name, version, decisions):
        return "unverified"
    newest = decisions[-1]
    if newest.manifest_sha256 != hashlib.sha256(manifest).hexdigest():
        return "unverified"
    if newest.verdict == "replaced":
        return "unverified" if status == PRODUCTION else "approved"
    return newest.verdict


def digest(decisions: Sequence[Decision]) -> str:
    """SHA-256 of decisions in their order."""
    return hashlib.sha256(msgspec.json.encode(decisions)).hexdigest()
