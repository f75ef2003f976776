"""`llm-twin ingest` as a person uses it: what it brings in, what it says, and how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from llm_twin_dagster.cli import app
from twin.records import Source
from twin.warehouse import Warehouse

if TYPE_CHECKING:
    from pathlib import Path

PARAGRAPH = "Engines turn heat into work. They do it in cycles, and each cycle gives a little less than it took. "
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def warehouse(home: Path, mongo_uri: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """The warehouse of a home that knows no sources."""
    monkeypatch.setenv("MONGODB_URI", mongo_uri)
    monkeypatch.setenv("MONGODB_DATABASE", mongo_database)
    monkeypatch.setenv("TWIN_CONFIG", str(home / "none.yaml"))
    monkeypatch.delenv("COLLECTION_ALLOW_PRIVATE_ADDRESSES", raising=False)
    return Warehouse(mongo_uri, mongo_database)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A folder with one document that does not name its author, and an image."""
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "engines.md").write_text(f"# Engines\n\n{PARAGRAPH * 4}\n")
    (folder / "engine.png").write_bytes(b"\x89PNG")
    return folder


def ingest(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, the counts, and what it said to the person."""
    result = CliRunner().invoke(app, ["ingest", *arguments, "--json"])
    return result.exit_code, json.loads(result.stdout) if result.stdout else {}, result.stderr


def counts(said: dict[str, Any]) -> list[int]:
    return [said[name] for name in ("added", "changed", "removed", "unchanged", "refused", "failed")]


def test_an_author_who_was_named_once_need_not_be_named_again(warehouse: Warehouse, notes: Path) -> None:
    code, said, _ = ingest(str(notes), "--author", "Ada")
    assert (code, counts(said)) == (0, [1, 0, 0, 0, 0, 0])
    code, said, _ = ingest(str(notes))
    assert (code, counts(said)) == (0, [0, 0, 0, 1, 0, 0])
    assert warehouse.sources.all() == [Source(kind="folder", location=str(notes), author="Ada")]


def test_what_cannot_be_read_ends_with_its_reason_and_is_not_remembered(
    warehouse: Warehouse, notes: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for location, reason in (
        (str(empty), "has no documents"),
        ("http://127.0.0.1:9/gone", "not on the public internet"),
    ):
        code, said, error = ingest(location, "--author", "Ada")
        assert code == 1
        assert reason in error
        assert reason in said["problems"][0]["reason"]
    assert warehouse.sources.all() == []

    code, said, error = ingest(str(tmp_path / "nowhere"))
    assert code == 1
    assert "does not exist: check the path" in error

    code, said, _ = ingest(str(notes), str(empty), "--author", "Ada")
    assert (code, counts(said)) == (0, [1, 0, 0, 0, 0, 1])
    assert [source.location for source in warehouse.sources.all()] == [str(notes)]


def test_removing_what_is_no_source_says_so_and_removes_nothing(warehouse: Warehouse, notes: Path) -> None:
    source = Source(kind="folder", location=str(notes), author="Ada")
    warehouse.sources.add([source])
    for location in ("nonsense", "https://a.example/x", "a" * 5_000):
        result = CliRunner().invoke(app, ["sources", "remove", location])
        assert result.exit_code == 1
        assert "There is no source" in result.stderr
    assert warehouse.sources.all() == [source]
    result = CliRunner().invoke(app, ["sources", "remove", f"{notes}/../{notes.name}"])
    assert (result.exit_code, warehouse.sources.all()) == (0, [])


def test_sources_tell_their_documents_their_last_look_and_what_they_could_not_give(
    warehouse: Warehouse, notes: Path
) -> None:
    (notes / "empty.md").touch()
    ingest(str(notes), "--author", "Ada")
    (listed,) = told("list")
    assert (listed["documents"], listed["last_look"]["counts"]["refused"]) == (1, 1)
    (problem,) = told("problems")
    assert (problem["source"], problem["state"], "empty" in problem["reason"]) == (str(notes), "refused", True)
    for verb, words in (("list", "1 added, 1 refused"), ("problems", "empty.md")):
        shown = CliRunner().invoke(app, ["sources", verb], env={"COLUMNS": "300"}).stdout
        assert words in shown
    (notes / "empty.md").unlink()
    ingest()
    assert told("problems") == []
    assert "Nothing was refused" in CliRunner().invoke(app, ["sources", "problems"]).stdout
    assert warehouse.documents.count() == 1


def told(verb: str) -> list[dict[str, Any]]:
    return json.loads(CliRunner().invoke(app, ["sources", verb, "--json"]).stdout)
