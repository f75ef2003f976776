"""What the SDK's `search_traces` and `search_spans` ask for, as a MongoDB query over the store's fields."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from app.console.store.opik import microseconds
from twin.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_RESULTS", "Filter", "Search", "anywhere", "containing", "query"]

MAX_RESULTS = 2_000
"""Results of one request; the SDK asks on with `last_retrieved_id`."""

TEXT_FIELDS = {"id": "_id", "name": "name", "thread_id": "thread_id", "type": "type", "model": "model"}
CONTENT_FIELDS = ("input", "output", "metadata")
TIME_FIELDS = ("start_time", "end_time")

TEXT_OPERATORS: dict[str, Callable[[str], Any]] = {
    "=": lambda value: value,
    "!=": lambda value: {"$ne": value},
    "contains": lambda value: containing(value),
    "not_contains": lambda value: {"$not": containing(value)},
    "starts_with": lambda value: {"$regex": f"^{escaped(value)}", "$options": "i"},
    "ends_with": lambda value: {"$regex": f"{escaped(value)}$", "$options": "i"},
}
CONTENT_OPERATORS = {name: TEXT_OPERATORS[name] for name in ("contains", "not_contains")}
TIME_OPERATORS = {"=": "$eq", ">": "$gt", "<": "$lt", ">=": "$gte", "<=": "$lte"}


class Filter(msgspec.Struct):
    """One condition of an Opik filter string."""

    field: str
    operator: str
    value: str = ""
    key: str | None = None


class Search(msgspec.Struct):
    """The body of a search request."""

    project_name: str | None = None
    trace_id: str | None = None
    filters: list[Filter] | None = None
    last_retrieved_id: str | None = None
    limit: int = MAX_RESULTS

    def __post_init__(self) -> None:
        self.limit = max(1, min(self.limit, MAX_RESULTS))


def query(search: Search) -> dict[str, Any]:
    """The MongoDB query of a search.

    Raises:
        InputError: A filter is not one that the stand-in can evaluate; says which it can.
    """
    conditions: list[dict[str, Any]] = [condition(item) for item in search.filters or []]
    if search.project_name:
        conditions.append({"project_name": search.project_name})
    if search.trace_id:
        conditions.append({"trace_id": search.trace_id})
    if search.last_retrieved_id:
        conditions.append({"_id": {"$lt": search.last_retrieved_id}})
    return {"$and": conditions} if conditions else {}


def anywhere(text: str) -> dict[str, Any]:
    """The MongoDB query of traces whose id, name, input or output contains `text`; all of them for no text."""
    if not text.strip():
        return {}
    encoded = msgspec.json.encode(text.strip()).decode()[1:-1]  # inputs are kept as JSON text, where quotes are escaped
    plain = [{field: containing(text.strip())} for field in ("_id", "name")]
    return {"$or": [*plain, *({field: containing(encoded)} for field in ("input", "output"))]}


def condition(item: Filter) -> dict[str, Any]:
    """The MongoDB condition of one filter."""
    if item.field in TEXT_FIELDS and item.operator in TEXT_OPERATORS:
        return {TEXT_FIELDS[item.field]: TEXT_OPERATORS[item.operator](item.value)}
    if item.field in CONTENT_FIELDS and item.operator in CONTENT_OPERATORS and not item.key:
        return {item.field: CONTENT_OPERATORS[item.operator](item.value)}
    if item.field in TIME_FIELDS and item.operator in TIME_OPERATORS:
        return {item.field: {TIME_OPERATORS[item.operator]: microseconds(moment(item.value))}}
    if item.field == "tags" and item.operator == "contains":
        return {"tags": item.value}
    raise InputError(
        f"The local console cannot filter by {item.field} {item.operator}; it can by id, name, thread_id, type, model, "
        "input, output and metadata (contains), tags (contains), start_time and end_time."
    )


def containing(text: str) -> dict[str, str]:
    """Matches text that contains `text`, whatever its case."""
    return {"$regex": escaped(text), "$options": "i"}


def escaped(text: str) -> str:
    """A regular expression that matches `text`. MongoDB takes none that holds a NUL as it is."""
    return re.escape(text).replace("\0", r"\x00")


def moment(value: str) -> datetime:
    """An ISO 8601 time; without an offset it is UTC."""
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        raise InputError(f"{value!r} is not an ISO 8601 time.") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
