"""Sources that twin.yaml names, in a whole run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from twin import collection
from twin.collection import ingestion, sources
from twin.settings import SourceSettings, read
from twin.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.records import Source


@pytest.fixture
def warehouse(mongo_uri: str, mongo_database: str) -> Iterator[Warehouse]:
    with Warehouse(mongo_uri, mongo_database) as warehouse:
        yield warehouse


def test_one_bad_place_in_the_file_costs_the_others_nothing(warehouse: Warehouse, tmp_path: Path) -> None:
    for name in ("notes", "archive"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.md").write_text("# Engines\n\nThey turn heat into work.\n")
    (tmp_path / "archive" / ".git").mkdir()
    (tmp_path / "archive" / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    file = tmp_path / "twin.yaml"
    file.write_text("authors: [{name: Ada, sources: [archive/, 'ftp://example.com/x', 'http://[::1', notes/]}]")
    repository = sources.known(file, warehouse)[0]
    assert repository.kind == "repository"
    warehouse.sources.add([repository])
    (tmp_path / "archive").rename(tmp_path / "elsewhere")

    known = sources.known(file, warehouse)
    assert repository in known
    assert len(known) == 4, "what was there before keeps its kind, and is no second source"
    report = ingestion.ingest(known, warehouse, read(SourceSettings))
    assert (report.added, report.refused, report.failed) == (1, 2, 1)
    assert [problem.url for problem in report.problems if "http or https" in (problem.reason or "")] == [
        "ftp://example.com/x"
    ]


def test_what_was_not_there_at_first_is_one_source_once_it_is(warehouse: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "twin.yaml"
    file.write_text("authors: [{name: Ada, sources: [work]}]")
    ingestion.ingest(sources.known(file, warehouse), warehouse, read(SourceSettings), forget_empty=False)
    assert [problem.url for problem in warehouse.sources.problems()] == [str(tmp_path / "work")]
    (tmp_path / "work" / ".git").mkdir(parents=True)
    (tmp_path / "work" / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    assert [source.kind for source in sources.known(file, warehouse)] == ["repository"]


def test_a_source_taken_out_of_the_file_is_forgotten_with_its_documents(warehouse: Warehouse, tmp_path: Path) -> None:
    for name in ("notes", "archive", "letters"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.md").write_text(f"# {name}\n\nThey turn heat into work.\n")
    file = tmp_path / "twin.yaml"
    file.write_text("authors: [{name: Ada, sources: [notes, archive, letters]}]")
    settings = read(SourceSettings)
    warehouse.sources.add([collection.detect(str(tmp_path / "letters"))])
    assert ingestion.ingest(sources.known(file, warehouse), warehouse, settings).added == 3

    file.write_text("")
    assert len(sources.known(file, warehouse)) == 3, "a blank file is one that is being written"
    assert sources.forget_dropped(file, warehouse) == []
    other = tmp_path / "elsewhere" / "twin.yaml"
    assert sources.forget_dropped(other, warehouse) == [], "nor does one that is not there say anything"
    other.parent.mkdir()
    other.write_text("authors: []")
    assert sources.forget_dropped(other, warehouse) == [], "or one that never named them"

    file.write_text("authors: [{name: Ada, sources: [notes]}]")
    assert _places(sources.known(file, warehouse)) == ["letters", "notes"], "what a command named stays"
    asked = sources.selected([str(tmp_path / "archive")], None, sources.known(file, warehouse))
    assert sources.forget_dropped(file, warehouse, asked) == []
    (line,) = sources.forget_dropped(file, warehouse)
    assert line == f"Forgot {tmp_path / 'archive'}, which {file} names no more; documents: 1."
    assert _places(warehouse.sources.all()) == ["letters", "notes"]
    assert warehouse.documents.count() == 2


def test_a_source_that_a_command_names_later_stays_when_the_file_drops_it(warehouse: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.md").write_text("# Engines\n\nThey turn heat into work.\n")
    file = tmp_path / "twin.yaml"
    file.write_text("authors: [{name: Ada, sources: [notes]}]")
    settings = read(SourceSettings)
    ingestion.ingest(sources.known(file, warehouse), warehouse, settings)
    named = sources.selected([str(tmp_path / "notes")], None, sources.known(file, warehouse))
    ingestion.ingest(named, warehouse, settings)
    ingestion.ingest(sources.known(file, warehouse), warehouse, settings)
    file.write_text("authors: []")
    assert sources.forget_dropped(file, warehouse) == []
    assert _places(sources.known(file, warehouse)) == ["notes"]


def _places(known: list[Source]) -> list[str]:
    return sorted(Path(source.location).name for source in known)
