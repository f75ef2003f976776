"""Which documents there were when a dataset was made: what came later, no model of that dataset can have seen.

offered/<training version>   the fingerprint of every document's passages, by document id
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from twin.records import content_hash

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twin.artifacts import ArtifactStore

__all__ = ["note", "read", "version"]


def note(store: ArtifactStore, training_version: str, fingerprints: Mapping[str, str]) -> None:
    """Notes the documents that a dataset could choose from, the last time that it was made."""
    store.write(_name(training_version), msgspec.json.encode(dict(sorted(fingerprints.items()))))


def is_noted(store: ArtifactStore, training_version: str) -> bool:
    """Whether that is known; an earlier version of the twin did not note it."""
    return store.read(_name(training_version)) is not None


def read(store: ArtifactStore, training_version: str) -> dict[str, str]:
    """The documents of a dataset; none where that was not noted."""
    return msgspec.json.decode(store.read(_name(training_version)) or b"{}", type=dict[str, str])


def version(store: ArtifactStore, training_version: str) -> str:
    """Changes exactly when what `read` gives does."""
    return content_hash((store.read(_name(training_version)) or b"").decode())[:16]


def _name(training_version: str) -> str:
    return f"offered/{training_version}"
