"""Which documents are held out, and keeping what they say out of training."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from twin.records import content_hash
from twin.text.shingles import shingles

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["MAX_OVERLAP", "HeldOutText", "held_out_documents"]

MAX_OVERLAP = 0.2
"""A passage is a copy when more than this share of its runs of eight words is found in the other texts, or when it has
more than this share of the runs of one of them: a long passage may hold all of a short one."""


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


class HeldOutText:
    """Texts that are held out, by their runs of eight words."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._sizes: list[int] = []
        self._places: dict[str, list[int]] = {}
        for number, text in enumerate(texts):
            own = shingles(text)
            self._sizes.append(len(own))
            for run in own:
                self._places.setdefault(run, []).append(number)

    def is_in(self, text: str) -> bool:
        """Whether a text repeats a part of them, or most of what one of them says."""
        own = shingles(text)
        shared = [self._places[run] for run in own if run in self._places]
        if not shared:
            return False
        counts = Counter(number for places in shared for number in places)
        return len(shared) > MAX_OVERLAP * len(own) or any(
            count > MAX_OVERLAP * self._sizes[number] for number, count in counts.items()
        )


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
