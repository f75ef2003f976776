"""`llm-twin warehouse export/import` and `llm-twin ingest -`, as a person uses them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from llm_twin_dagster.cli import app
from twin.records import Document, Interaction, Source, document_id, utcnow
from twin.warehouse import Feedback, Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Source(kind="folder", location="/notes", author="Ada")
PARAGRAPH = "Engines turn heat into work. They do it in cycles, and each cycle gives a little less than it took. "
SEED = [
    {"id": "1", "platform": "medium", "author_id": "9", "author_full_name": "Ada Lovelace", "content": content,
     "link": f"https://a.example/{number}"}
    for number, content in enumerate([{"Title": "One", "Content": "Text."}, "{'Title': 'Two', 'Content': 'Text.'}", 3])
]  # fmt: skip


@pytest.fixture
def warehouse(home: Path, mongo_uri: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    """The warehouse that the commands use."""
    monkeypatch.setenv("MONGODB_URI", mongo_uri)
    monkeypatch.setenv("MONGODB_DATABASE", mongo_database)
    monkeypatch.setenv("TWIN_CONFIG", str(home / "none.yaml"))
    with Warehouse(mongo_uri, mongo_database) as warehouse:
        yield warehouse


def run(*arguments: str, given: bytes = b"") -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    result = CliRunner().invoke(app, arguments, input=given)
    return result.exit_code, result.stdout, result.stderr


def fill(warehouse: Warehouse) -> None:
    url = "/notes/a"
    document = Document(
        id=document_id(url), url=url, source_id=SOURCE.id, author="Ada", title="A", content="W\u00f6rter."
    )
    warehouse.sources.add([SOURCE])
    warehouse.documents.observe(SOURCE, [document], complete=True)


def test_an_interaction_is_listed_with_its_feedback_and_deleted_with_it(warehouse: Warehouse) -> None:
    for key in ("i", "j"):
        warehouse.interactions.record(
            Interaction(
                id=key, trace_id=key, created_at=utcnow(), question=f"Why {key}?", author="Ada", answer="So.",
                status="answered",
            )
        )  # fmt: skip
    warehouse.ratings.keep(Feedback(id="f", interaction_id="i", reader="r", score=0.0, comment="No.", at=utcnow()))
    code, said, _ = run("interactions", "list", "--rated")
    assert (code, "Why i?" in said, "down No." in said, "Why j?" in said) == (0, True, True, False)
    assert run("interactions", "remove", "i", "--json")[1].strip() == '{\n  "removed": 1\n}'
    assert json.loads(run("interactions", "list", "--json")[1])[0]["interaction"]["id"] == "j"
    assert list(warehouse.ratings.read()) == []
    code, _, told = run("interactions", "remove", "i")
    assert (code, "interactions list" in told) == (1, True)


def test_an_export_goes_to_a_file_and_comes_back_as_it_was(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mongo_database: str
) -> None:
    fill(warehouse)
    file = tmp_path / "twin.jsonl"
    file.write_text("An older file of that name.")
    code, said, _ = run("warehouse", "export", str(file), "--json")
    assert (code, json.loads(said)) == (0, {"file": str(file), "rows": 3})
    assert [place.name for place in tmp_path.iterdir() if place.is_file()] == ["twin.jsonl"]
    exported = file.read_bytes()
    assert run("warehouse", "export", "-")[1].encode() == exported
    monkeypatch.setenv("MONGODB_DATABASE", f"{mongo_database}_copy")
    try:
        code, said, _ = run("warehouse", "import", str(file), "--json")
        assert (code, json.loads(said)["added"]) == (0, {"sources": 1, "raw_documents": 1, "outcomes": 1})
        code, said, _ = run("warehouse", "import", "-", given=exported)
        assert code == 0
        assert "raw_documents" in said
        assert run("warehouse", "export", "-")[1].encode() == exported
    finally:
        warehouse._connection.client.drop_database(f"{mongo_database}_copy")


def test_lines_that_are_no_rows_are_told_and_only_nothing_at_all_is_a_failure(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    fill(warehouse)
    run("warehouse", "export", str(tmp_path / "a.jsonl"))
    lines = (tmp_path / "a.jsonl").read_bytes().splitlines(keepends=True)
    code, _, error = run("warehouse", "import", "-", given=b"".join([lines[0], b"nonsense\n", *lines[1:]]))
    assert code == 0
    assert "line 2:" in error
    code, _, error = run("warehouse", "import", "-", given=lines[0] + b"nonsense\n")
    assert code == 1
    assert "Nothing could be read" in error


@pytest.mark.parametrize("by", ["file", "standard input"])
def test_the_seed_systems_export_comes_in(warehouse: Warehouse, home: Path, tmp_path: Path, by: str) -> None:
    data = json.dumps(SEED).encode()
    (tmp_path / "seed.data").write_bytes(data)
    code, said, _ = run(
        "warehouse", "import", "-" if by != "file" else str(tmp_path / "seed.data"), "--json", given=data
    )
    report: dict[str, Any] = json.loads(said)
    assert code == 0
    assert (report["added"], report["failed"]) == (2, 1)
    assert "item 3" in report["problems"][0]["reason"]
    assert {(document.title, document.author, document.platform) for document in warehouse.documents.read()} == {
        ("One", "Ada Lovelace", "medium"),
        ("Two", "Ada Lovelace", "medium"),
    }
    [source] = warehouse.sources.all()
    kept = Path(source.location) if by == "file" else home / source.location.replace(":", "/")
    assert source.kind == ("json" if by == "file" else "inbox")
    assert kept.read_bytes() == data


def test_documents_in_json_lines_come_in(warehouse: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "1", "content": "Text."}\n{"id": "2"}\n')
    code, said, _ = run("warehouse", "import", str(tmp_path / "a.jsonl"), "--author", "Ada", "--json")
    assert (code, json.loads(said)["added"], json.loads(said)["failed"]) == (0, 1, 1)
    assert [document.author for document in warehouse.documents.read()] == ["Ada"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "neither an export"),
        (b"plain text", "neither an export"),
        (b'{"format": "llm-twin warehouse", "version": 2}', "version 2"),
    ],
)
def test_what_cannot_be_imported_says_why(warehouse: Warehouse, data: bytes, reason: str) -> None:
    code, _, error = run("warehouse", "import", "-", given=data)
    assert code == 1
    assert reason in error


def test_a_file_that_is_not_there_and_a_folder_that_is_not_there_say_so(warehouse: Warehouse, tmp_path: Path) -> None:
    code, _, error = run("warehouse", "import", str(tmp_path / "none.jsonl"))
    assert (code, "cannot be read: No such file" in error) == (1, True)
    code, _, error = run("warehouse", "export", str(tmp_path / "none" / "a.jsonl"))
    assert (code, "There is no folder" in error) == (1, True)


def test_a_text_from_standard_input_is_a_source_that_can_be_read_again(warehouse: Warehouse, home: Path) -> None:
    text = f"On engines.\n\n{PARAGRAPH * 4}\n".encode()
    code, said, error = run("ingest", "-", "--author", "Ada", "--title", 'A "note"', "--json", given=text)
    assert code == 0, error
    assert json.loads(said)["added"] == 1
    [document] = warehouse.documents.read()
    assert (document.title, document.author) == ('A "note"', "Ada")
    assert document.content == text.decode()
    [kept] = (home / "inbox").iterdir()
    assert warehouse.sources.all() == [Source(kind="inbox", location=f"inbox:{kept.name}", author="Ada")]
    assert document.url == f"inbox:{kept.name}"
    code, _, error = run("ingest", str(kept), "--title", "Another", given=text)
    assert (code, "--title is for a text from standard input" in error) == (1, True)


def test_repair_is_for_the_embedded_server_and_waits_for_nobody(
    home: Path, monkeypatch: pytest.MonkeyPatch, mongo_uri: str
) -> None:
    assert "nothing to repair" in run("warehouse", "repair")[2]
    monkeypatch.setenv("MONGODB_URI", mongo_uri)
    code, _, said = run("warehouse", "repair")
    assert code == 1
    assert "MONGODB_URI names a server elsewhere" in said
    assert not list(home.rglob("data-damaged-*"))
