"""What a look at many sources tells, one thing after another: what was found where, and how each source ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from twin.collection.collector import Item
    from twin.errors import CollectionError
    from twin.records import Source

__all__ = ["Ended", "Event", "Found", "Idle"]


class Found(NamedTuple):
    """A source gave something."""

    source: Source
    item: Item


class Ended(NamedTuple):
    """A source gives nothing more in this run."""

    source: Source
    complete: bool
    """Whether what it gave is all that it has, so that what is missing has vanished."""
    error: CollectionError | None = None
    """What ended it before it was read whole."""
    repeated: bool = False
    """It was looked at in the run that was cut off and that this one goes on with, so it was not asked again."""
    put_off: bool = False
    """It was not looked at, as the run's budget was used up before its turn came."""


class Idle(NamedTuple):
    """Nothing has come for a moment: time to store what waits."""


Event: TypeAlias = Found | Ended | Idle
