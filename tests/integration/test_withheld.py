"""What is withheld, from the command to the index: it leaves, it is listed, and a look beforehand writes nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from llm_twin_dagster.cli import app
from twin.records import Document, Source, Visit, Withheld, document_id
from twin.warehouse import Warehouse

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "The keeper of the mill tells of water and stones, of floods in spring and of long winters without bread. " * 4
SECRET = "Nobody may read of the birch ladder before the lawyer has seen it, so it lies in a drawer of the mill. " * 4
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def warehouse(home: Path, mongo_uri: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    monkeypatch.setenv("MONGODB_URI", mongo_uri)
    monkeypatch.setenv("MONGODB_DATABASE", mongo_database)
    monkeypatch.setenv("TWIN_CONFIG", str(home / "none.yaml"))
    return Warehouse(mongo_uri, mongo_database)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "mill.md").write_text(f"# The mill\n\n{TEXT} <!-- for the editor -->\n")
    (folder / "ladder.md").write_text(f"# The ladder\n\n{SECRET}\n")
    return folder


def run(*arguments: str) -> tuple[int, dict[str, Any], str]:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    return result.exit_code, json.loads(result.stdout) if result.stdout else {}, result.stderr


def found(query: str) -> set[str]:
    code, said, error = run("search", query)
    assert code == 0, error
    return {passage["url"].rsplit("/", 1)[-1] for passage in said["passages"]}


def test_a_document_that_becomes_a_draft_leaves_the_index_and_comes_back(warehouse: Warehouse, notes: Path) -> None:
    code, said, error = run("ingest", str(notes), "--author", "Ada")
    assert (code, said["added"], said["withheld"]) == (0, 2, 0), error
    assert found("the birch ladder of the mill") == {"mill.md", "ladder.md"}

    (notes / "ladder.md").write_text(f"---\ndraft: true\n---\n# The ladder\n\n{SECRET}\n")
    code, said, _ = run("ingest")
    assert (code, said["removed"], said["withheld"], said["unchanged"]) == (0, 1, 1, 1)
    assert found("the birch ladder of the mill") == {"mill.md"}
    assert [each["reason"] for each in said["withheld_documents"]] == ["it is a draft (`draft: true`)"]
    code, listed, _ = run("sources", "withheld")
    assert [each["url"].rsplit("/", 1)[-1] for each in listed["documents"]] == ["ladder.md"]
    assert list(listed["left_out"].values()) == [{"comment": 1}]
    code, said, _ = run("ingest")
    assert (said["removed"], said["withheld"]) == (0, 1), "it is told again at every look, and removed once"

    code, said, _ = run("ingest", str(notes), "--include-drafts")
    assert (code, said["added"], said["withheld"]) == (0, 1, 0)
    assert found("the birch ladder of the mill") == {"mill.md", "ladder.md"}
    code, said, _ = run("ingest")
    assert (said["unchanged"], said["withheld"]) == (2, 0), "the choice is remembered with the source"
    code, said, error = run("ingest", str(notes), "--no-include-drafts", "--exclude", "mill.md")
    assert (code, said["removed"], said["withheld"]) == (0, 2, 2), error
    assert found("the birch ladder of the mill") == set(), "even when nothing is left"
    code, listed, _ = run("sources", "withheld")
    assert sorted(each["reason"] for each in listed["documents"]) == [
        "it is a draft (`draft: true`)", "it is excluded by the pattern mill.md",
    ]  # fmt: skip


def test_when_everything_is_withheld_it_says_so(warehouse: Warehouse, notes: Path) -> None:
    code, said, error = run("ingest", str(notes), "--author", "Ada", "--exclude", "*.md")
    assert (code, said["withheld"]) == (1, 2)
    assert "Everything is withheld" in error
    [source] = warehouse.sources.all()
    assert source.exclude == ("*.md",)
    code, said, _ = run("ingest", str(notes), "--exclude", "")
    assert (code, said["added"]) == (0, 2)


def test_a_dry_run_tells_what_would_come_and_writes_nothing(warehouse: Warehouse, notes: Path) -> None:
    (notes / "ladder.md").write_text(f"---\nstatus: private\n---\n{SECRET}\n")
    (notes / "broken.md").write_bytes(b"\xff\xfe\xff")
    (notes / "old").mkdir()
    (notes / "old" / "a.md").write_text(TEXT)
    code, said, error = run("ingest", str(notes), "--author", "Ada", "--exclude", "old/", "--dry-run")
    assert code == 0, error
    told = {each["url"].removeprefix(notes.as_uri() + "/"): each for each in said["documents"]}
    assert {name: each["state"] for name, each in told.items()} == {
        "broken.md": "failed", "ladder.md": "withheld", "mill.md": "new", "old/": "withheld",
    }  # fmt: skip
    assert told["mill.md"]["left_out"] == {"comment": 1}
    assert (told["mill.md"]["title"], told["mill.md"]["author"]) == ("The mill", "Ada")
    assert (warehouse.sources.all(), warehouse.documents.count()) == ([], 0)

    run("ingest", str(notes), "--author", "Ada")
    (notes / "mill.md").write_text(f"# The mill\n\n{TEXT} Edited.\n")
    (notes / "old" / "a.md").write_text(f"---\ndraft: true\n---\n{TEXT}")
    code, said, _ = run("ingest", "--dry-run")
    told = {each["url"].rsplit("notes/", 1)[-1]: (each["state"], each["is_held"]) for each in said["documents"]}
    assert told["mill.md"] == ("changed", True)
    assert told["old/a.md"] == ("withheld", True), "it would be removed"
    assert warehouse.documents.count() == 2


def test_a_dry_run_of_a_new_home_makes_none(tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "new-home"
    monkeypatch.setenv("TWIN_HOME", str(home))
    monkeypatch.setenv("TWIN_CONFIG", str(tmp_path / "none.yaml"))
    monkeypatch.delenv("MONGODB_URI", raising=False)
    code, said, error = run("ingest", str(notes), "--author", "Ada", "--dry-run")
    assert (code, said["new"]) == (0, 2), error
    assert not home.exists()


def observed(warehouse: Warehouse, source: Source, *items: Any) -> dict[str, int]:
    report = warehouse.documents.observe(source, items, complete=source.kind != "feed")
    return {name: count for name, count in report.counts.items() if count}


@pytest.mark.parametrize("kind", ["folder", "feed"])
def test_only_the_source_s_own_documents_go_and_a_folder_stands_for_all_in_it(
    mongo_uri: str, mongo_database: str, kind: str
) -> None:
    source, other = (Source(kind=kind, location=f"/{name}", author="Ada") for name in ("notes", "others"))

    def document(place: str, of: Source = source) -> Document:
        return Document(
            id=document_id(place), url=place, source_id=of.id, author="Ada", title=place, content=f"{place} {TEXT}"
        )

    with Warehouse(mongo_uri, mongo_database) as warehouse:
        moved = document("https://ada.example.org/moved")
        visit = Visit(url="/notes/old/moved.md", reader="r", documents=[moved.url])
        items = [document("/notes/a"), document("/notes/b"), document("/notes/old/c"), moved, visit]
        observed(warehouse, source, *items)
        observed(warehouse, other, document("/notes/elsewhere", other))
        withheld = [
            Withheld(url="/notes/a", reason="a draft"),
            Withheld(url="/notes/elsewhere", reason="a draft"),
            Withheld(url="/notes/old/", reason="excluded", below=True),
        ]
        counts = observed(warehouse, source, document("/notes/b"), *withheld)
        assert counts == {"removed": 3, "unchanged": 1, "withheld": 3}, "three of four at once, by the author's word"
        live = {each.url for each in warehouse.documents.read()}
        assert live == {"/notes/b", "/notes/elsewhere"}
        assert [each.url for each in warehouse.sources.withheld()] == sorted(each.url for each in withheld)
        assert list(warehouse.sources.problems()) == []
        counts = observed(warehouse, source, document("/notes/a"), document("/notes/b"))
        assert counts == {"added": 1, "unchanged": 1}
        left = {"folder": [], "feed": ["/notes/elsewhere", "/notes/old/"]}[kind]
        assert [each.url for each in warehouse.sources.withheld()] == left, "a feed does not show everything it has"
