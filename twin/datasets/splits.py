"""Which documents are held out, and keeping what they say out of training."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from twin.records import content_hash
from twin.text.shingles import overlap, shingles

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from twin.records import Chunk

__all__ = ["MAX_OVERLAP", "held_out_documents", "without_copies_of"]

MAX_OVERLAP = 0.2
"""A passage is a copy when more than this share of its runs of eight words is found in the other texts."""


def held_out_documents(authors: Mapping[str, str], test_share: float, seed: int) -> set[str]:
    """The ids of the test documents, given the author of each document.

    A document's side depends on its own id and on `seed`, so it keeps its side whatever else comes or goes. Only where
    that would leave an author with two documents or more without one on either side, the document nearest to the
    border changes sides; that one may change back as the author's documents become more.
    """
    by_author: defaultdict[str, list[str]] = defaultdict(list)
    for document, author in authors.items():
        by_author[author].append(document)
    return {document for documents in by_author.values() for document in _held_out(documents, test_share, seed)}


def without_copies_of(held_out: Iterable[str], chunks: Iterable[Chunk]) -> list[Chunk]:
    """The chunks without those that repeat a part of the held-out texts."""
    known: set[str] = set()
    for text in held_out:
        known |= shingles(text)
    return [chunk for chunk in chunks if overlap(chunk.text, known) <= MAX_OVERLAP]


def _held_out(documents: list[str], test_share: float, seed: int) -> list[str]:
    positions = sorted((_position(document, seed), document) for document in documents)
    below = sum(position < test_share for position, _ in positions)
    if len(positions) < 2:
        return []
    count = min(max(below, 1), len(positions) - 1)
    return [document for _, document in positions[:count]]


def _position(document: str, seed: int) -> float:
    """Where a document's id falls between 0 and 1."""
    return int(content_hash(str(seed), document)[:13], 16) / 16**13
