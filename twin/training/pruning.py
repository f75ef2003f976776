"""Whose weights may go: stored models that no version in use and no training needs. Manifests stay for ever."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec

from twin.errors import ArtifactError
from twin.registry.contract import KEEP, PRODUCTION
from twin.training import catalog

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from twin.artifacts import ArtifactStore
    from twin.records import ModelVersion

__all__ = ["Prunable", "prunable"]


class Prunable(msgspec.Struct, frozen=True, kw_only=True):
    """A stored model that nothing needs."""

    folder: str
    """Its name in the artifact store."""
    versions: tuple[str, ...]
    """The versions that it is the weights of; none where it was never registered."""
    bytes: int


def prunable(
    store: ArtifactStore, versions: Sequence[ModelVersion], served: Collection[str | None], *, keep: int
) -> list[Prunable]:
    """The stored models that may be removed.

    Kept are the model that was made last, what is served or can be rolled back to, what is approved or awaits review,
    what somebody asked to be kept, and of the versions that nobody rejected the newest.

    Args:
        store: Where models are.
        versions: All of the registry's, newest first.
        served: The versions that the endpoint serves and would go back to.
        keep: How many of the newest versions stay.
    """
    newest = [version.version for version in versions if version.review != "rejected"][:keep]
    needed = {
        version.manifest.get("folder")
        for version in versions
        if version.status == PRODUCTION
        or version.review == "pending"
        or KEEP in version.tags
        or version.version in {*served, *newest}
    }
    with contextlib.suppress(ArtifactError):  # none was made yet
        needed.add(catalog.folder_of(catalog.current_address(store)))
    return [
        Prunable(
            folder=folder,
            versions=tuple(version.version for version in versions if version.manifest.get("folder") == folder),
            bytes=store.size(f"folders/{folder}"),
        )
        for folder in map(catalog.folder_of, store.names("folders/models"))
        if folder not in needed
    ]
