"""Which version should be served: the newest that a person approved. Pure; the endpoint asset acts on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from twin.records import ModelVersion  # noqa: TC001 - msgspec reads the annotations at run time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.serving.endpoint import EndpointStatus

__all__ = ["Decision", "decide"]

PRODUCTION = "Production"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What to deploy now, if anything, and why."""

    version: ModelVersion | None
    reason: str


def decide(versions: Sequence[ModelVersion], served: EndpointStatus) -> Decision:
    """The version to deploy now, given all versions (newest first) and what is served."""
    approved = next((version for version in versions if version.status == PRODUCTION), None)
    waiting = next((version.version for version in versions if version.review == "pending"), None)
    awaits = f" Version {waiting} awaits review: llm-twin models approve {waiting}" if waiting else ""
    if approved is None:
        return Decision(version=None, reason=f"No version is approved.{awaits or ' None is registered for review.'}")
    if served.version == approved.version and served.state == "InService":
        return Decision(version=None, reason=f"Version {approved.version} is served already.{awaits}")
    return Decision(
        version=approved, reason=f"Deploying version {approved.version} over {served.version or 'nothing'}."
    )
