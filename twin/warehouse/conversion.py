"""Records to MongoDB documents and back. A record's `id` is the document's `_id`; times are UTC to the millisecond."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar, overload

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["from_row", "readable_row", "storable_text", "storable_time", "to_row"]

logger = logging.getLogger(__name__)

R = TypeVar("R", bound=msgspec.Struct)


def to_row(record: msgspec.Struct) -> dict[str, Any]:
    """The record as MongoDB stores it."""
    fields = msgspec.to_builtins(record, builtin_types=(datetime, bytes))
    if "id" not in fields:
        return fields
    return {"_id": fields.pop("id"), **fields}


def from_row(row: Mapping[str, Any], record: type[R]) -> R:
    """The record that a row holds; fields that the row has beyond the record's own are for queries alone."""
    fields = dict(row)
    if "_id" in fields:
        fields["id"] = fields.pop("_id")
    return msgspec.convert(fields, record)


def readable_row(row: Mapping[str, Any], record: type[R]) -> R | None:
    """As `from_row`, for what can be begun afresh: None, with a line in the log, where another version of the twin or a
    person wrote something that cannot be read."""
    try:
        return from_row(row, record)
    except msgspec.ValidationError as error:
        name = record.__name__
        logger.warning("The %s %r in MongoDB cannot be read and is passed over: %s", name, row.get("_id"), error)
        return None


@overload
def storable_time(moment: datetime) -> datetime: ...
@overload
def storable_time(moment: None) -> None: ...
def storable_time(moment: datetime | None) -> datetime | None:
    """The moment as it will be read back, so that hashes computed before and after storing agree.

    A time without a zone is taken as UTC.
    """
    if moment is None:
        return None
    aware = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.replace(microsecond=aware.microsecond // 1_000 * 1_000)


def storable_text(text: str) -> str:
    """The text with what is not valid Unicode spelt out, as MongoDB takes nothing else."""
    return text.encode("utf-8", "backslashreplace").decode()
