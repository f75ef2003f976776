"""Which version should be served: the newest that was approved, unless a person took it out of service again.

Pure; the endpoint asset and the approval sensor act on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from twin.records import ModelVersion  # noqa: TC001 - msgspec reads the annotations at run time
from twin.registry.contract import PRODUCTION
from twin.registry.policy import gate_verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.serving.endpoint import EndpointStatus

__all__ = ["Decision", "decide", "doubt"]


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What to deploy now, if anything, and why."""

    version: ModelVersion | None
    reason: str


def decide(versions: Sequence[ModelVersion], served: EndpointStatus, *, asked: bool = False) -> Decision:
    """The version to deploy now, given versions (newest first; those in Production will do) and what is served.

    A held version is not deployed again: after a rollback the approved version would otherwise be back within seconds.
    Nor is one of which the gate cannot tell whether it is worse, and which nobody reviewed. `asked`: a person asks for
    the approved version, so that it is deployed all the same.
    One that is in Production and not approved is passed over, and named: somebody wrote that into the registry.
    """
    if served.outside:
        reason = "MODEL_ENDPOINT_URL names a server of its own: approved versions are not deployed to it."
        return Decision(version=None, reason=reason)
    candidates = [version for version in versions if version.status == PRODUCTION]
    approved = next((version for version in candidates if version.review == "approved"), None)
    waiting = next((version.version for version in versions if version.review == "pending"), None)
    notes = "".join(f" {doubt(version)}" for version in candidates if version.review != "approved")
    notes += f" Version {waiting} awaits review: llm-twin models approve {waiting}" if waiting else ""
    if approved is None:
        return Decision(version=None, reason=f"No version is approved yet.{notes}")
    if served.version == approved.version and served.state != "Failed":
        return Decision(version=None, reason=f"Version {approved.version} is served already.{notes}")
    if not asked and approved.waived and gate_verdict(approved.manifest) == "cannot tell":
        return Decision(
            version=None,
            reason=f"Version {approved.version} was approved by a waiver alone, and the gate cannot tell whether it is "
            f"worse, so only a person deploys it: llm-twin materialize deploy --force.{notes}",
        )
    if not asked and approved.version in served.held:
        return Decision(
            version=None,
            reason=f"Version {approved.version} is approved, and a person took it out of service. A newer approved "
            f"version will be deployed; to deploy this one: llm-twin materialize deploy --force.{notes}",
        )
    return Decision(
        version=approved, reason=f"Deploying version {approved.version} over {served.version or 'nothing'}.{notes}"
    )


def doubt(version: ModelVersion) -> str:
    """What to tell of a version that is in Production without being approved."""
    if version.review == "rejected":
        return f"Version {version.version} is not deployed: a reviewer rejected it, whatever its status says."
    if version.review == "pending":
        return (
            f"Version {version.version} is in Production and is not deployed: more people must approve it than "
            f"{', '.join(version.approved_by) or 'have'} (REVIEW_APPROVALS)."
        )
    return (
        f"Version {version.version} is in Production and is not deployed: no approval that was signed with the "
        f"reviewer's token stands behind it. To approve it: llm-twin models approve {version.version}."
    )
