"""One run of collection: everything that some sources show now, brought into the warehouse.

A run that is cut off, whatever the reason, loses nothing that was stored; the next run over the same sources goes on
with it, and asks no server again for what was looked at.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from twin.collection import Session
from twin.collection.repositories import clones
from twin.collection.scheduling import collect_all
from twin.collection.web.source_hosts import host_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from twin.records import Source
    from twin.settings import SourceSettings
    from twin.warehouse import IngestReport, Progress, Warehouse

__all__ = ["by_place", "counts_as_text", "ingest"]

TELL_SECONDS = 5.0
NEVER = datetime(1, 1, 1, tzinfo=UTC)

logger = logging.getLogger(__name__)


def ingest(
    sources: Collection[Source],
    warehouse: Warehouse,
    settings: SourceSettings,
    *,
    cache: Path | None = None,
    inbox: Path | None = None,
    confirm_vanished: bool = False,
    forget_empty: bool = True,
    tell: Callable[[str], None] = logger.info,
) -> IngestReport:
    """Looks at every source, and stores what is new, changed or gone. Call it while holding the collecting lock.

    The sources are remembered before their documents, so that no document is ever without its source. Those that were
    looked at longest ago come first.

    Args:
        sources: What to look at.
        warehouse: Where it goes, and what remembers earlier looks.
        settings: What may be collected and how.
        cache: A folder for what the next run can use again, such as clones.
        inbox: The folder of what came through standard input.
        confirm_vanished: Believe it when most of a source is gone.
        forget_empty: Forget again a source that was not known before and gives nothing, as its location is more likely
            a mistake. For what a person names at once; what a configuration file names keeps its problems on record.
        tell: Told how far it is, every few seconds.

    Raises:
        WarehouseUnavailable: MongoDB does not answer; the same call goes on from there.
    """
    looks = warehouse.sources.last_looks()
    # What waited longest comes first: there may be more sources than one run's budget
    waited = sorted(sources, key=lambda source: looks[source.id].at if source.id in looks else NEVER)
    sources = list({source.id: source for source in waited}.values())
    remembered = {source.id for source in warehouse.sources.all()}
    warehouse.sources.add(sources)
    with warehouse.runs.begin(sources, confirm_vanished=confirm_vanished) as run:
        done = warehouse.runs.done_since(sources, run)
        if run.resumes:
            tell(f"goes on with the run of {run.since:%H:%M} UTC that was cut off: {len(done)} sources are done")
        looked_since = run.since if run.resumes else None
        with Session(
            settings, memory=warehouse.sources.memory(sources), cache=cache, inbox=inbox, looked_since=looked_since
        ) as session:
            report = warehouse.documents.observe_all(
                sources,
                collect_all(sources, session, done=done),
                confirm_vanished=confirm_vanished,
                now=run.started_at,
                on_progress=_Teller(tell, len(sources)),
            )
        run.counts = report.counts
        if forget_empty:
            new = {
                each.source.id
                for each in report.sources
                if not (each.source.id in remembered or each.held or each.withheld)
            }
            looked_at = new & warehouse.sources.last_looks().keys()  # not those that were put off
            warehouse.sources.forget(looked_at - warehouse.sources.held(looked_at).keys())
        if cache:
            clones.keep_only(cache, {source.id for source in warehouse.sources.all()})
    return report


def by_place(report: IngestReport) -> list[dict[str, str | int]]:
    """The counts of a run by kind of source and host, the places with the most documents first."""
    places: dict[tuple[str, str], dict[str, int]] = {}
    for source in report.sources:
        place = (source.source.kind, host_of(source.source.location) or "this machine")
        counts = places.setdefault(place, {"sources": 0, **dict.fromkeys(source.counts, 0)})
        counts["sources"] += 1
        for name, count in source.counts.items():
            counts[name] += count
    rows = [{"kind": kind, "place": host, **counts} for (kind, host), counts in places.items()]
    return sorted(rows, key=lambda row: (-sum(value for value in row.values() if isinstance(value, int)), row["place"]))


def counts_as_text(counts: dict[str, int]) -> str:
    """Counts as words, without the zeros."""
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "nothing found"


class _Teller:
    """Tells how far a run is, every few seconds."""

    def __init__(self, tell: Callable[[str], None], sources: int) -> None:
        self._tell = tell
        self._sources = sources
        self._told = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._told >= TELL_SECONDS:
            self._told = now
            self._tell(f"{progress.ended:,} of {self._sources:,} sources: {counts_as_text(progress.counts)}")
