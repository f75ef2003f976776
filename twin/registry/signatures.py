"""Reviews that cannot be forged in a database: each decision is signed with a key made from the reviewer's token.

The console signs when a person decides (`app.console.review`), and whoever is about to deploy verifies and then asks
the policy (`twin.registry.policy`). A decision
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
from msgspec import UNSET, UnsetType

from twin.registry.blind import Tally  # noqa: TC001 - msgspec reads the annotations at run time

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Decision", "ReviewKey", "Verdict"]

PURPOSE = b"llm-twin: signatures of model reviews, 1"
"""Keeps this key apart from others that are made of the same token."""

Verdict = Literal["approved", "rejected", "replaced", "compared"]
"""`replaced`: a reviewer approved another version, which took this one's place in Production. `compared`: a reviewer
judged the pairs blind, which is no vote yet."""


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
    tally: Tally | UnsetType = UNSET
    """What `compared` found. Fields that are not set leave no trace in what is signed: older signatures stay valid."""
    waiver: str | UnsetType = UNSET
    """Why an approval was given without comparing anything blind; it is shown as a waiver wherever it is shown."""


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

    def signed(self, name: str, version: str, decisions: Sequence[Decision]) -> list[Decision]:
        """Those of a version's decisions that were signed, each for itself and over just those before it."""
        prefixes = (decisions[: end + 1] for end in range(len(decisions)))
        return [prefix[-1] for prefix in prefixes if self.verifies(name, version, prefix)]

    def _signature(self, name: str, version: str, decision: Decision) -> str:
        unsigned = msgspec.structs.replace(decision, signature="")
        return hmac.new(self._key, msgspec.json.encode((name, version, unsigned)), hashlib.sha256).hexdigest()


def digest(decisions: Sequence[Decision]) -> str:
    """SHA-256 of decisions in their order."""
    return hashlib.sha256(msgspec.json.encode(decisions)).hexdigest()
