"""What every finder gives, and what several of them ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["Finding", "stands_alone"]


class Finding(NamedTuple):
    """One secret or piece of personal data, by its place; the value is not in it."""

    kind: str
    start: int
    end: int


def stands_alone(text: str, start: int, end: int, joints: Collection[str] = "_") -> bool:
    """Whether neither a letter nor a digit, nor one of `joints`, touches the part of a text."""
    before, after = text[start - 1 : start] if start else "", text[end : end + 1]
    return not any(char.isalnum() or char in joints for char in (before, after) if char)
