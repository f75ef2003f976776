"""Not every passage from the same document: the ranking with at most some of each, and no copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.records import Passage

__all__ = ["spread"]


def spread(passages: Sequence[Passage], k: int, *, per_document: int) -> list[Passage]:
    """The `k` first passages, of which at most `per_document` are from one document while there are others.

    What exceeds the cap moves behind the rest and is not lost. A passage with the very words of an earlier one is left
    out: two documents may quote the same paragraph.

    Args:
        passages: Best first.
        k: How many are wanted.
        per_document: At least 1.
    """
    counts: dict[str, int] = {}
    texts: set[str] = set()
    chosen, exceeding = [], []
    for passage in passages:
        if passage.text in texts:
            continue
        texts.add(passage.text)
        counts[passage.document_id] = counts.get(passage.document_id, 0) + 1
        (chosen if counts[passage.document_id] <= per_document else exceeding).append(passage)
        if len(chosen) == k:
            return chosen
    return [*chosen, *exceeding][:k]
