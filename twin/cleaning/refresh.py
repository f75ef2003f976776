"""Brings the cleaned documents in step with the raw ones; the work is proportional to what changed."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from twin import cleaning
from twin.cleaning.linking import link
from twin.document_faults import LeftOut, attempt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from twin.records import CleanedDocument
    from twin.warehouse import Warehouse

__all__ = ["CleaningReport", "Difference", "differences", "leaks", "refresh"]

PAGE = 100


class CleaningReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one refresh did, in documents."""

    cleaned: int
    unchanged: int
    removed: int
    compared: int
    """How many were compared with those like them; those that a change of another touched are among them."""
    duplicates: int
    """Of all cleaned documents, those that are copies of another, near copies included."""
    near_duplicates: int
    """Of all cleaned documents, those that are nearly the same as another."""
    redactions: dict[str, int]
    """What was replaced in the documents that were cleaned now, by kind."""
    left_out: tuple[LeftOut, ...] = ()
    """Documents that could not be cleaned, not counted above; their earlier form is removed."""


class Difference(NamedTuple):
    """What has to be done about one document."""

    kind: Literal["same", "stale", "gone"]
    id: str
    source: str
    """The fingerprint of what it has to be cleaned from; empty when it is gone."""


def refresh(warehouse: Warehouse) -> CleaningReport:
    """Cleans what is new or changed since, removes what is gone, and links copies to their canonical document.

    Ids and hashes are compared as two streams, so that memory stays the same however many documents there are. When it
    is cut off, what was done is kept, and the next call does the rest. A document that cannot be cleaned is left out.
    """
    counts: Counter[str] = Counter()
    redactions: Counter[str] = Counter()
    left_out: list[LeftOut] = []
    wanted = ((key, f"{hash_}/{cleaning.VERSION}") for key, hash_ in warehouse.documents.fingerprint_stream())
    stale: dict[str, str] = {}
    gone: list[str] = []
    for difference in differences(wanted, warehouse.cleaned.input_stream()):
        counts[difference.kind] += 1
        if difference.kind == "stale":
            stale[difference.id] = difference.source
        elif difference.kind == "gone":
            gone.append(difference.id)
        if len(stale) >= PAGE:
            redactions += _clean(warehouse, stale, left_out)
            stale = {}
        if len(gone) >= PAGE:
            warehouse.cleaned.remove(gone)
            gone = []
    redactions += _clean(warehouse, stale, left_out)
    warehouse.cleaned.remove(gone)
    compared = link(warehouse.copies)  # what an earlier run that was cut off has left, too
    exact, near = warehouse.copies.counts()
    return CleaningReport(
        cleaned=counts["stale"] - len(left_out),
        unchanged=counts["same"],
        removed=counts["gone"],
        compared=compared,
        duplicates=exact + near,
        near_duplicates=near,
        redactions=dict(redactions),
        left_out=tuple(left_out),
    )


def differences(wanted: Iterable[tuple[str, str]], held: Iterable[tuple[str, str]]) -> Iterator[Difference]:
    """Compares two streams of ids and fingerprints, both in the order of ids, without holding either."""
    held_pairs = iter(held)
    have = next(held_pairs, None)
    for key, source in wanted:
        while have is not None and have[0] < key:
            yield Difference("gone", have[0], "")
            have = next(held_pairs, None)
        if have is None or have[0] != key:
            yield Difference("stale", key, source)
            continue
        yield Difference("same" if have[1] == source else "stale", key, source)
        have = next(held_pairs, None)
    while have is not None:
        yield Difference("gone", have[0], "")
        have = next(held_pairs, None)


def leaks(warehouse: Warehouse) -> Iterator[tuple[str, Sequence[str]]]:
    """The URLs of canonical documents in which something recognisable is left, with its kinds; never the values.

    A document that has passed is not looked at again until it is written again.
    """
    for page in warehouse.cleaned.uninspected():
        passed = []
        for document in page:
            kinds = {finding.kind for finding in cleaning.find_personal_data(f"{document.title}\n{document.content}")}
            if kinds:
                yield document.url, sorted(kinds)
            else:
                passed.append(document.id)
        warehouse.cleaned.mark_inspected(passed)


def _clean(warehouse: Warehouse, sources: dict[str, str], left_out: list[LeftOut]) -> Counter[str]:
    """Cleans and stores documents, told as ids with fingerprints, and adds those that fail to `left_out`.

    Returns what was replaced in them.
    """
    redactions: Counter[str] = Counter()
    failed: list[str] = []

    def cleaned() -> Iterator[tuple[CleanedDocument, str]]:
        for document in warehouse.documents.read(list(sources)):
            result = attempt(document.url, "cleaned", partial(cleaning.clean, document))
            if isinstance(result, LeftOut):
                left_out.append(result)
                failed.append(document.id)
                continue
            redactions.update(result.redactions)
            yield result, sources[document.id]

    if sources:
        warehouse.cleaned.write(cleaned())
        warehouse.cleaned.remove(failed)
    return redactions
