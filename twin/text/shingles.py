"""Runs of words, by which copies are told."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from twin.text.words import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["SHINGLE_WORDS", "overlap", "runs", "shingles"]

SHINGLE_WORDS = 8
"""Two texts that share a run of this many words share it by copying, hardly ever by chance."""


def runs(found: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    """Every run of `size` words; nothing of fewer."""
    return zip(*(islice(found, start, None) for start in range(size)), strict=False)


def shingles(text: str, size: int = SHINGLE_WORDS) -> set[str]:
    """Every run of `size` words of a text; the whole text when it has fewer, nothing when it has none."""
    found = words(text)
    return set(map(" ".join, runs(found, size))) or ({" ".join(found)} if found else set())


def overlap(text: str, known: set[str], size: int = SHINGLE_WORDS) -> float:
    """The share, 0 to 1, of a text's shingles that are among `known`."""
    own = shingles(text, size)
    return len(own & known) / len(own) if own else 0.0
