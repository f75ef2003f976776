"""What becomes, at the end of a run, of documents that their sources no longer show or say are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pymongo import UpdateOne

from twin import fencing
from twin.warehouse import looks, visits
from twin.warehouse.part import LIVE, pages
from twin.warehouse.report import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from pymongo.database import Database

    from twin.warehouse.looks import Look
    from twin.warehouse.outcomes import Outcomes
    from twin.warehouse.seen import Doubt, Seen

__all__ = ["remove_vanished"]

PAGE = 500
FEW = 2
"""So many documents of a group may go at once on the source's explicit word, whatever share of it they are."""


class _Group(NamedTuple):
    """Sources that are judged together: one source, or the single pages of one host."""

    name: str
    looks: list[Look]
    held: int
    """Live documents."""
    missing: int
    """Those that sources which were read whole no longer show."""
    gone: int
    """Those of which a source says that they are no more."""
    unseen: int
    """Those that were not shown by sources that could not be read whole."""


def remove_vanished(
    database: Database[dict[str, Any]],
    seen: Seen,
    run: Sequence[Look],
    outcomes: Outcomes,
    now: datetime,
    *,
    max_share: float,
    confirmed: bool,
) -> list[str]:
    """Tombstones what is gone, group by group, and returns warnings about what was kept instead."""
    _hand_over(database, seen, run)
    seen.forget_shown()
    remover = _Remover(database, seen, outcomes, now)
    warnings = []
    for group in _groups(database, seen, run):
        limit = group.held if confirmed else max_share * group.held
        if group.unseen:
            warnings.append(
                f"{group.name}: {group.unseen} documents were not seen, and kept, because the source could not be "
                "read whole."
            )
        if group.missing > limit:
            warnings.append(
                f"{group.name}: {group.missing} of {group.held} documents have vanished at once, so none was removed. "
                "If they are really gone, confirm it."
            )
        else:
            remover.remove([look for look in group.looks if look.error is None], "missing")
        if group.gone > max(limit, FEW):
            warnings.append(
                f"{group.name}: {group.gone} of {group.held} documents are said to be gone at once, so none was "
                "removed. If the place is not just down or moved, confirm it."
            )
            remover.keep(group.looks)
        else:
            remover.remove(group.looks, "gone")
        remover.remove(group.looks, "withheld")  # by somebody's own word, so however many they are
    return warnings


class _Remover:
    """Writes tombstones and outcomes, page by page."""

    def __init__(self, database: Database[dict[str, Any]], seen: Seen, outcomes: Outcomes, now: datetime) -> None:
        self._documents = database["raw_documents"]
        self._seen = seen
        self._outcomes = outcomes
        self._tombstone = {"$set": {"live": False, "removed_at": now}}

    def remove(self, run: Sequence[Look], doubt: Doubt) -> None:
        """Tombstones the documents of sources that are in doubt for one reason."""
        for look in run:
            for page in pages(self._seen.candidates(look.number, doubt), PAGE):
                ids = [candidate.document for candidate in page]
                fencing.check()
                self._documents.update_many({"_id": {"$in": ids}, **LIVE}, self._tombstone)
                for candidate in page:
                    outcome = Outcome(url=candidate.url, state="removed", reason=candidate.reason)
                    # What is withheld stays listed as that, for as long as it is
                    tell = self._outcomes.count if doubt == "withheld" else self._outcomes.add
                    tell(look.id, outcome)
                self._outcomes.flush()

    def keep(self, run: Sequence[Look]) -> None:
        """Records that what sources say is gone is kept."""
        for look in run:
            for page in pages(self._seen.candidates(look.number, "gone"), PAGE):
                for candidate in page:
                    reason = f"{candidate.reason} (kept, because too many are gone at once)"
                    self._outcomes.add(look.id, Outcome(url=candidate.url, state="failed", reason=reason))
                self._outcomes.flush()


def _hand_over(database: Database[dict[str, Any]], seen: Seen, run: Sequence[Look]) -> None:
    """Gives a document that its source no longer shows to another one that does, which is asked for it afresh.

    A source that was told to be unchanged as a whole was not seen to show anything: what it gave last is asked for.
    """
    by_number = {look.number: look for look in run}
    for page in pages(seen.shown_elsewhere(), PAGE):
        moved = [(document, url, by_number[to].id) for document, url, owner, to in page if not by_number[owner].error]
        _move(database, moved)
    untouched = {look.id: look for look in run if look.untouched and not look.error}
    if not untouched:
        return
    for page in pages(seen.shown_nowhere(), PAGE):
        givers = visits.givers(database, [url for _, url, _ in page], sorted(untouched))
        missed = [(document, url) for document, url, owner in page if url in givers and not by_number[owner].error]
        _move(database, [(document, url, givers[url]) for document, url in missed])
        for document, url in missed:
            seen.show(document, untouched[givers[url]].number)


def _move(database: Database[dict[str, Any]], moved: Sequence[tuple[str, str, str]]) -> None:
    """Changes whose documents are, told as id, URL and the new source's id."""
    if moved:
        writes = [UpdateOne({"_id": document}, {"$set": {"source_id": to}}) for document, _, to in moved]
        fencing.check()
        database["raw_documents"].bulk_write(writes, ordered=False)
        visits.forget(database, [(to, url) for _, url, to in moved])


def _groups(database: Database[dict[str, Any]], seen: Seen, run: Sequence[Look]) -> Iterator[_Group]:
    """The groups in which something may have to be removed."""
    doubts = seen.doubts()
    doubted = [look for look in run if look.number in doubts]
    hosts = {host for look in doubted if (host := look.host)}
    fellows = [look for look in run if look.number in doubts or look.host in hosts]
    held = looks.held(database, [look.id for look in fellows])
    groups: dict[str, list[Look]] = {}
    for look in fellows:
        host = look.host
        is_page = host is not None and held.get(look.id, 0) <= 1
        groups.setdefault(f"the pages of {host}" if is_page else look.source.location, []).append(look)
    for name, members in groups.items():
        missing, gone, unseen = 0, 0, 0
        for look in members:
            of = doubts.get(look.number)
            if of is None:
                continue
            gone += of["gone"]
            if look.error is None:
                missing += of["missing"]
            elif held.get(look.id, 0) > 1:  # of a single page, its failure says it already
                unseen += of["missing"]
        if any(look.number in doubts for look in members):
            yield _Group(name, members, sum(held.get(look.id, 0) for look in members), missing, gone, unseen)
