"""Sources that twin.yaml names, in a whole run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from twin.collection import ingestion, sources
from twin.settings import SourceSettings, read
from twin.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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
