"""What the pipeline asks of a model registry, and the words that registries share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol

from twin.errors import InputError

if TYPE_CHECKING:
    from twin.records import ModelVersion
    from twin.registry.history import Happening

__all__ = ["ARCHIVED", "DEVELOPMENT", "KEEP", "PRODUCTION", "ModelRegistry", "version_key"]

DEVELOPMENT = "Development"
"""A version that nobody approved."""
PRODUCTION = "Production"
"""The version that a person approved for serving."""
ARCHIVED = "Archived"
"""A version that was in Production before another was approved."""

KEEP = "keep"
"""The tag of a version whose weights somebody asked to be kept."""

SEMANTIC_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


def version_key(version: str) -> tuple[int, int, int]:
    """Sorts semantic versions: `1.10.0` after `1.9.0`.

    Raises:
        InputError: It is not three numbers with dots between them.
    """
    match = SEMANTIC_VERSION.fullmatch(version)
    if match is None:
        raise InputError(f"{version!r} is not a semantic version such as 1.3.0.")
    major, minor, patch = map(int, match.groups())
    return major, minor, patch


class ModelRegistry(Protocol):
    """Versions of models, each with a small manifest. Every method may raise RegistryUnavailable."""

    def register(self, name: str, manifest: dict[str, Any]) -> ModelVersion:
        """The version of this manifest: the existing one, or a new one that awaits review."""
        ...

    def versions(self, name: str) -> list[ModelVersion]:
        """All versions, newest first; none for a model that nobody registered."""
        ...

    def get(self, name: str, version: str) -> ModelVersion:
        """One version. Raises UnknownName."""
        ...

    def in_production(self, name: str) -> list[ModelVersion]:
        """The versions whose status is Production, newest first, also those that no verified approval stands behind."""
        ...

    def history(self, name: str, version: str) -> list[Happening]:
        """What happened to a version, the oldest first. Raises UnknownName."""
        ...

    def tag(self, name: str, version: str, tag: str) -> None:
        """Gives a version a tag; nothing changes when it has it. Raises UnknownName."""
        ...

    def untag(self, name: str, version: str, tag: str) -> None:
        """Takes a tag from a version, if it has it. Raises UnknownName."""
        ...

    def approved(self, name: str) -> ModelVersion | None:
        """The newest version in Production that is approved, or None."""
        ...
