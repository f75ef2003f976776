"""`llm-twin ingest --dry-run`: what would come in and what would not, and why."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from llm_twin_dagster.cli.output import out, print_json, print_table, quiet_line
from llm_twin_dagster.stack import borrow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.collection.preview import Prospect
    from twin.collection.sources import Choice
    from twin.home import Home
    from twin.records import Source

__all__ = ["show"]


def show(home: Home, locations: Sequence[str], author: str | None, choice: Choice, *, as_json: bool) -> None:
    """Looks at sources and prints what an ingest would make of them. Nothing is stored or remembered.

    Raises:
        InputError: There is nothing to read at a location, or a pattern is of no use.
    """
    from twin.collection import sources
    from twin.collection.files import inbox
    from twin.collection.preview import STATES, preview
    from twin.settings import SourceSettings, read

    settings = read(SourceSettings)
    known, held = _known(home)
    with tempfile.TemporaryDirectory(prefix="llm-twin-dry-run-") as scratch:
        places, folder = list(locations), home.inbox
        if "-" in places:
            chunks = iter(lambda: sys.stdin.buffer.read(1 << 16), b"")
            folder = Path(scratch)
            spooled = inbox.spool(chunks, folder, max_bytes=settings.max_bytes)
            places = [spooled if place == "-" else place for place in places]
        found = list(preview(sources.selected(places, author, known, choice), settings, held, inbox=folder))
    counts = Counter(prospect.state for prospect in found)
    if as_json:
        print_json({**{state: counts[state] for state in STATES}, "documents": found})
        return
    found.sort(key=lambda prospect: STATES.index(prospect.state))
    print_table(
        ["would be", "location", "title", "why, or what is left out of it"],
        [[prospect.state, prospect.url, prospect.title, _remark(prospect)] for prospect in found],
        empty="There is nothing to read: name sources in twin.yaml, or a PATH_OR_URL.",
    )
    out.print("  ".join(f"{state} [bold]{counts[state]}[/]" for state in STATES))
    out.print("Nothing was written.")


def _known(home: Home) -> tuple[list[Source], dict[str, str]]:
    """What the twin reads, and the hashes of what it has, by id. Of a twin that has no warehouse yet, no database is
    made to find that out."""
    from twin.collection import sources
    from twin.deployment import Deployment
    from twin.settings import HomeSettings, MongoSettings, read

    config = read(HomeSettings).config
    if read(MongoSettings).uri is None and not home.mongo.is_dir():
        return sources.configured(config), {}
    with borrow(home, ["mongod"], quiet_line):
        warehouse = Deployment(home).warehouse
        return sources.known(config, warehouse), warehouse.documents.fingerprints()


def _remark(prospect: Prospect) -> str:
    left_out = ", ".join(f"{count} {kind}" for kind, count in prospect.left_out.items())
    removed = "; the twin has it, and would remove it" if prospect.state == "withheld" and prospect.is_held else ""
    return f"{prospect.reason or left_out}{removed}"
