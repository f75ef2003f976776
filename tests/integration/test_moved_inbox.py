"""What came through standard input is the same source, with the same documents, wherever its home is."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from twin.collection import detect, ingestion
from twin.collection.files import inbox
from twin.records import Source
from twin.settings import SourceSettings, read
from twin.warehouse import IngestReport, Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINES = b'{"id": "a", "title": "A", "content": "Engines turn heat into work."}\n{"title": "no content"}\n'
GIVEN = {
    "text": b"# Looms\n\nLooms weave cloth from yarn.\n",
    "lines": LINES,
    "list": b"[%s]" % LINES.splitlines()[0],
}


@pytest.fixture
def warehouse(mongo_uri: str, mongo_database: str) -> Iterator[Warehouse]:
    with Warehouse(mongo_uri, mongo_database) as warehouse:
        yield warehouse


def look(warehouse: Warehouse, folder: Path) -> IngestReport:
    return ingestion.ingest(warehouse.sources.all(), warehouse, read(SourceSettings), inbox=folder, forget_empty=False)


def live(warehouse: Warehouse) -> dict[str, str]:
    return {document.id: document.url for document in warehouse.documents.read()}


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_after_a_move_each_text_is_there_and_is_the_same_document(
    warehouse: Warehouse, tmp_path: Path, given: bytes
) -> None:
    location = inbox.spool([given], tmp_path / "inbox", max_bytes=1_000)
    source = detect(location, "Ada")
    warehouse.sources.add([source])
    assert look(warehouse, tmp_path / "inbox").counts["added"] == 1
    before = live(warehouse)
    assert all(url.startswith(location) for url in before.values())

    (tmp_path / "inbox").rename(tmp_path / "elsewhere")
    again = look(warehouse, tmp_path / "elsewhere")
    assert (again.counts["unchanged"], again.counts["failed"]) == (1, 0)
    assert live(warehouse) == before

    shutil.rmtree(tmp_path / "elsewhere")
    [problem] = look(warehouse, tmp_path / "elsewhere").problems
    assert "bring the folder back" in (problem.reason or "")
    assert live(warehouse) == before, "what cannot be read has not vanished"


def test_what_an_earlier_version_remembered_by_its_path_is_adopted(warehouse: Warehouse, tmp_path: Path) -> None:
    folder = tmp_path / "inbox"
    location = inbox.spool([GIVEN["text"]], folder, max_bytes=1_000)
    old = Source(kind="folder", location=f"/moved/from/here/inbox/{inbox.name_in(location)}", author="Ada")
    notes = Source(kind="folder", location=str(tmp_path / "notes"), author="Ada")
    warehouse.sources.add([old, notes])
    inbox.adopt(warehouse, folder)
    inbox.adopt(warehouse, folder)
    adopted = Source(kind="inbox", location=location, author="Ada")
    assert sorted(warehouse.sources.all(), key=lambda source: source.kind) == [notes, adopted]


@pytest.mark.parametrize("location", ["inbox:../../etc/passwd", "inbox:", "inbox:a.md", f"inbox:{'0' * 32}.sh"])
def test_nothing_outside_of_the_inbox_can_be_meant(location: str) -> None:
    assert inbox.name_in(location) is None
