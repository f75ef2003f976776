"""The vector index: published generations of passages, searched by meaning and by words at once."""

from twin.features.index.base import PublishReport, VectorIndex
from twin.features.index.opening import open_index

__all__ = ["PublishReport", "VectorIndex", "open_index"]
