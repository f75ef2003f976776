"""The Opik receiver's store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymongo.asynchronous.database import AsyncDatabase

__all__ = ["TraceStore"]


class TraceStore:
    """Traces and spans in MongoDB."""

    @classmethod
    async def prepare(cls, database: AsyncDatabase[dict[str, Any]]) -> None:
        """Makes the indexes; safe to repeat."""
        await database["opik_traces"].create_index([("start_time", -1)])
        await database["opik_spans"].create_index([("trace_id", 1), ("start_time", 1)])
