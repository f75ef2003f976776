"""The vector index: published generations of passages, searched by meaning and by words at once."""

from twin.features.index.contract import (
    EVERYTHING,
    Facets,
    Filters,
    GenerationInfo,
    IndexStatus,
    PublishReport,
    Span,
    VectorIndex,
)
from twin.features.index.opening import open_index

__all__ = [
    "EVERYTHING",
    "Facets",
    "Filters",
    "GenerationInfo",
    "IndexStatus",
    "PublishReport",
    "Span",
    "VectorIndex",
    "open_index",
]
