"""Every index of the warehouse; those over hashes answer fingerprints without reading documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymongo import IndexModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pymongo.database import Database

__all__ = ["create"]

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "raw_documents": [
        IndexModel([("live", 1), ("_id", 1), ("hash", 1)]),
        IndexModel([("live", 1), ("author", 1)]),
        IndexModel([("source_id", 1), ("live", 1), ("_id", 1), ("url", 1)]),
    ],
    "cleaned_documents": [
        IndexModel([("canonical", 1), ("_id", 1), ("hash", 1), ("input", 1)]),
        IndexModel([("text_hash", 1), ("seniority", 1), ("_id", 1)]),
        IndexModel([("bands", 1)], sparse=True),
        IndexModel([("canonical", 1), ("inspected", 1), ("_id", 1), ("hash", 1)]),
        IndexModel([("whole", 1), ("_id", 1)], partialFilterExpression={"whole": False}),
        IndexModel([("unlinked", 1), ("seniority", 1), ("_id", 1)], partialFilterExpression={"unlinked": True}),
        IndexModel([("duplicate_of", 1), ("_id", 1)], partialFilterExpression={"canonical": False}),
    ],
    "interactions": [
        IndexModel([("created_at", 1), ("_id", 1)]),
        IndexModel([("trace_id", 1)]),
        IndexModel([("model_version", 1), ("created_at", 1)]),
    ],
    "feedback": [IndexModel([("interaction_id", 1), ("_id", 1)]), IndexModel([("at", -1)])],
    "visits": [IndexModel([("documents", 1), ("source_id", 1)])],
    "outcomes": [IndexModel([("state", 1), ("source_id", 1)])],
    "runs": [IndexModel([("started_at", -1)])],
}


def create(database: Database[dict[str, Any]]) -> None:
    """Makes those that are missing."""
    for collection, models in INDEXES.items():
        database[collection].create_indexes(list(models))
