"""A fault in one document is that document's alone: whoever reads one of many, reads it through here."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from twin.collection.refusals import failed, refused
from twin.errors import ServiceUnavailable, SourceRefused, TwinError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from twin.collection.collector import Item
    from twin.records import Rejected

__all__ = ["attempt", "contained"]

T = TypeVar("T")

logger = logging.getLogger(__name__)


def attempt(place: str, read: Callable[[], T]) -> T | Rejected:
    """What `read` finds at a place; a rejection with the reason when that fails, whatever it is that failed.

    Raises:
        ServiceUnavailable: Something that the run itself needs does not answer.
    """
    try:
        return read()
    except ServiceUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - a reader of foreign files may fail in any way
        return _rejection(place, error)


def contained(place: str, items: Generator[Item, None, T]) -> Generator[Item, None, T | None]:
    """What a place gives, and a rejection with the reason when that ends early. Returns what `items` returns; None when
    it failed.

    Raises:
        ServiceUnavailable: Something that the run itself needs does not answer.
    """
    try:
        return (yield from items)
    except ServiceUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        yield _rejection(place, error)
        return None


def _rejection(place: str, error: Exception) -> Rejected:
    if isinstance(error, SourceRefused):
        return refused(place, str(error))
    if isinstance(error, TwinError):
        return failed(place, str(error))
    if isinstance(error, OSError):
        return failed(place, f"it cannot be read: {error.strerror or error}")
    logger.error("Reading %s failed", place, exc_info=error)
    return failed(place, f"{type(error).__name__} while it was read: a fault of its reader, told in the log")
