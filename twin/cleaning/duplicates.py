"""Documents that are copies of one another, across sources."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from twin.records import content_hash

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twin.records import Document

__all__ = ["Fingerprint", "exact_duplicates", "fingerprint"]

NEVER = datetime.max.replace(tzinfo=UTC)


class Fingerprint(NamedTuple):
    """What it takes to tell whether a document is a copy, and of which."""

    id: str
    hash: str
    """Of the content, blank space and letter case aside; empty for a document without text."""
    published_at: datetime | None
    url: str


def fingerprint(document: Document) -> Fingerprint:
    """The fingerprint of a document. Take cleaned ones: copies differ in what the page around them left."""
    words = " ".join(document.content.casefold().split())
    return Fingerprint(document.id, content_hash(words) if words else "", document.published_at, document.url)


def exact_duplicates(fingerprints: Iterable[tuple[str, str, datetime | None, str]]) -> dict[str, str]:
    """Each copy's id and the id of its canonical document.

    Canonical is the one published first; documents without a date come after those with one, and the URL that sorts
    first decides between equals. The order in which the fingerprints come makes no difference. Reads them as a stream,
    and keeps one fingerprint for each content and one id for each copy.
    """
    canonical: dict[str, Fingerprint] = {}
    copies: list[tuple[str, str]] = []
    for candidate in map(Fingerprint._make, fingerprints):
        if not candidate.hash:
            continue
        known = canonical.setdefault(candidate.hash, candidate)
        if known.id == candidate.id:
            continue
        first, copy = sorted((known, candidate), key=_seniority)
        canonical[candidate.hash] = first
        copies.append((copy.id, candidate.hash))
    return {copy: canonical[content].id for copy, content in copies}


def _seniority(one: Fingerprint) -> tuple[datetime, str, str]:
    return one.published_at or NEVER, one.url, one.id
