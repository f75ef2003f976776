"""Brings the cleaned documents in step with the raw ones; the work is proportional to what changed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from twin import cleaning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.records import CleanedDocument
    from twin.warehouse import Warehouse

__all__ = ["CleaningReport", "leaks", "refresh"]


class CleaningReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one refresh did, in documents."""

    cleaned: int
    unchanged: int
    removed: int
    duplicates: int
    """Of all cleaned documents, those that are copies of another."""
    redactions: dict[str, int]
    """What was replaced in the documents that were cleaned now, by kind."""


def refresh(warehouse: Warehouse) -> CleaningReport:
    """Cleans what is new or changed since, removes what is gone, and links copies to their canonical document."""
    wanted = {key: f"{hash_}/{cleaning.VERSION}" for key, hash_ in warehouse.fingerprints().items()}
    held = warehouse.cleaned_inputs()
    stale = sorted(key for key, source in wanted.items() if held.get(key) != source)
    gone = sorted(held.keys() - wanted.keys())
    redactions: Counter[str] = Counter()

    def cleaned() -> Iterator[tuple[CleanedDocument, str]]:
        for document in warehouse.documents(stale):
            result = cleaning.clean(document)
            redactions.update(result.redactions)
            yield result, wanted[document.id]

    if stale:
        warehouse.write_cleaned(cleaned())
    if gone:
        warehouse.remove_cleaned(gone)
    # Always, though it reads every document's hash: an earlier refresh may have been cut off just before this line
    warehouse.mark_duplicates(
        cleaning.exact_duplicates(cleaning.Fingerprint(*text) for text in warehouse.cleaned_texts())
    )
    return CleaningReport(
        cleaned=len(stale),
        unchanged=len(wanted) - len(stale),
        removed=len(gone),
        duplicates=len(wanted) - len(warehouse.cleaned_fingerprints()),
        redactions=dict(redactions),
    )


def leaks(warehouse: Warehouse) -> list[tuple[str, list[str]]]:
    """The URLs of canonical documents in which something recognisable is left, with its kinds; never the values."""
    found = []
    for document in warehouse.cleaned():
        kinds = {finding.kind for finding in cleaning.find_personal_data(f"{document.title}\n{document.content}")}
        if kinds:
            found.append((document.url, sorted(kinds)))
    return found
