"""Whom a reader means by an author's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.errors import UnknownAuthor
from twin.records import slug

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["resolve"]

SHOWN = 5


def resolve(wanted: str, names: Sequence[str]) -> str:
    """The one of `names` that is wanted by name or id, whatever the case.

    Raises:
        UnknownAuthor: None is.
    """
    if wanted in names:
        return wanted
    for name in names:
        if slug(name) == slug(wanted):
            return name
    raise UnknownAuthor(f"There is no author “{wanted[:80]}”. {_known(names)}")


def _known(names: Sequence[str]) -> str:
    if not names:
        return "Nothing has been published yet: `llm-twin ingest PATH_OR_URL`."
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"Known: {', '.join(names[:SHOWN])}{more}."
