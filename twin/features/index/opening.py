"""Which engine the settings mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.features.index.edge import EdgeIndex
from twin.features.index.server import ServerIndex

if TYPE_CHECKING:
    from pathlib import Path

    from twin.features.index.contract import VectorIndex
    from twin.settings import QdrantSettings

__all__ = ["open_index"]


def open_index(settings: QdrantSettings, root: Path, *, dimensions: int) -> VectorIndex:
    """The index on the Qdrant server that is set, else in process over generations under `root`. Connects lazily."""
    if settings.url is None:
        return EdgeIndex(root, dimensions=dimensions)
    api_key = settings.api_key.get_secret_value() if settings.api_key else None
    return ServerIndex.at(settings.url, api_key=api_key, alias=settings.collection, dimensions=dimensions)
