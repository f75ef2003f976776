"""Finds the canonical document of every copy; the work is proportional to what changed.

Documents are taken in the order of seniority: by date of publication, those without one last, then by URL. Each is a
copy of the most senior canonical document that it copies, and canonical when there is none. So each copy is like its
canonical document itself, not merely like another copy, and the outcome depends on the documents alone: not on the
order in which they came, nor on how often this ran in between.

A document that becomes canonical may take copies from documents junior to it, and one that becomes a copy loses those
that it had: both are compared again. They are always junior to it, so that it ends.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from typing import TYPE_CHECKING

from twin.cleaning.duplicates import copied_share, estimate, shingles
from twin.warehouse.copies import Link

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.warehouse.copies import Copies, Sketch

__all__ = ["link"]

PAGE = 200
MAX_REMEMBERED_SHINGLES = 500_000
"""Of the texts that were compared last; about 50 MB."""
MIN_ESTIMATE = 0.4
"""Copies share 0.6 and more, and the estimate is hardly ever more than 0.2 off: what is below is not even read."""


def link(copies: Copies, page_size: int = PAGE) -> int:
    """Compares the documents that have yet to be compared; returns how many were decided, some of them twice.

    Whenever it is cut off, what was not compared is still marked so, and the next call goes on from there.
    """
    texts = _Texts(copies)
    decided = 0
    while page := copies.unlinked(page_size):
        links, disturbed = _Page(page, copies, texts).decide()
        copies.unlink(disturbed)  # before the links: cut off in between, these are compared once more, no harm done
        copies.link(links)
        decided += len(links)
    return decided


class _Page:
    """The most senior documents that have yet to be compared: whatever is senior to one of them is decided."""

    def __init__(self, sketches: Sequence[Sketch], copies: Copies, texts: _Texts) -> None:
        self._sketches = sketches
        self._texts = texts
        self._links: dict[str, Link] = {}
        self._oldest = copies.oldest_with_text({sketch.text_hash for sketch in sketches} - {""})
        # Of documents with one text, the most senior decides for all: a thousand copies ask for candidates once
        self._near = copies.candidates(sketch for sketch in sketches if self._original(sketch) is None)
        self._orders = {one.id: one.order for one in (*self._near, *sketches)}
        self._copies = copies.compared_copies_of([sketch.id for sketch in sketches])
        self._canonical: defaultdict[int, list[Sketch]] = defaultdict(list)
        for sketch in self._near:
            if sketch.canonical:
                self._add(sketch)

    def decide(self) -> tuple[list[Link], list[str]]:
        """The outcomes, as far as no other document is disturbed; and those that are, which must be compared again."""
        for sketch in self._sketches:
            link = self._links[sketch.id] = self._as_its_text(sketch) or self._near_copy(sketch)
            disturbed = self._copies.get(sketch.id, []) if link.duplicate_of else self._taken_by(sketch)
            if disturbed:
                return list(self._links.values()), disturbed
            if not link.duplicate_of:
                self._add(sketch)
        return list(self._links.values()), []

    def _original(self, sketch: Sketch) -> Sketch | None:
        """The most senior document with the same text, when it is another one."""
        oldest = self._oldest.get(sketch.text_hash)
        return oldest if oldest and oldest.order < sketch.order else None

    def _as_its_text(self, sketch: Sketch) -> Link | None:
        original = self._original(sketch)
        if original is None:
            return None
        known = self._links.get(original.id) or Link(original.id, original.duplicate_of, original.similarity)
        return Link(sketch.id, known.duplicate_of or original.id, known.similarity if known.duplicate_of else 1.0)

    def _near_copy(self, sketch: Sketch) -> Link:
        seniors = {one.id: one for band in sketch.bands for one in self._canonical.get(band, ())}
        for senior in sorted(seniors.values(), key=lambda one: one.order):
            shared = self._shared(senior, sketch) if senior.order < sketch.order else None
            if shared is not None:
                return Link(sketch.id, senior.id, shared)
        return Link(sketch.id, None, None)

    def _taken_by(self, canonical: Sketch) -> list[str]:
        """The compared documents that are copies of this one, unless they are copies of one still more senior."""
        return [
            one.id
            for one in self._near
            if one.order > canonical.order
            and (one.duplicate_of is None or self._orders.get(one.duplicate_of, canonical.order) >= canonical.order)
            and self._shared(canonical, one) is not None
        ]

    def _shared(self, senior: Sketch, junior: Sketch) -> float | None:
        """How much they share, when the junior is a copy."""
        if senior.text_hash == junior.text_hash:
            return 1.0 if senior.text_hash else None
        if senior.bands.isdisjoint(junior.bands) or estimate(senior.signature, junior.signature) < MIN_ESTIMATE:
            return None
        return copied_share(self._texts.shingles(senior.id), self._texts.shingles(junior.id))

    def _add(self, canonical: Sketch) -> None:
        for band in canonical.bands:
            self._canonical[band].append(canonical)


class _Texts:
    """The shingles of documents, read when they are needed; those that were compared last are remembered."""

    def __init__(self, copies: Copies) -> None:
        self._stored = copies
        self._held: OrderedDict[str, frozenset[str]] = OrderedDict()
        self._size = 0

    def shingles(self, document: str) -> frozenset[str]:
        """The shingles of one document."""
        if document in self._held:
            self._held.move_to_end(document)
            return self._held[document]
        found = shingles(self._stored.contents([document]).get(document, ""))
        self._held[document] = found
        self._size += len(found)
        while self._size > MAX_REMEMBERED_SHINGLES and len(self._held) > 1:
            self._size -= len(self._held.popitem(last=False)[1])
        return found
