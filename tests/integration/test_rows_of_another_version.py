"""What another version of the twin, another clock or a person wrote into MongoDB and the store stops nothing."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from twin.artifacts import ArtifactStore
from twin.evaluation.history import PATH, history
from twin.records import Chunk, Document, Source, Visit, document_id, utcnow
from twin.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOTES = Source(kind="folder", location="/notes", author="Ada")
PLACE = "file:///notes/a.md"


@pytest.fixture
def warehouse(mongo_uri: str, mongo_database: str) -> Iterator[Warehouse]:
    with Warehouse(mongo_uri, mongo_database) as warehouse:
        warehouse.sources.add([NOTES])
        yield warehouse


def write(warehouse: Warehouse, collection: str, row: dict) -> None:
    warehouse._connection.database[collection].replace_one({"_id": row["_id"]}, row, upsert=True)


def test_a_source_that_cannot_be_read_hides_no_other(warehouse: Warehouse, caplog: pytest.LogCaptureFixture) -> None:
    write(warehouse, "sources", {"_id": "strange", "place": "/letters"})
    assert warehouse.sources.all() == [NOTES]
    assert "strange" in caplog.text


def test_a_look_that_cannot_be_read_counts_as_none(warehouse: Warehouse) -> None:
    warehouse._connection.database["sources"].update_one({"_id": NOTES.id}, {"$set": {"last_look": {"when": 1}}})
    assert warehouse.sources.last_looks() == {}


@pytest.mark.parametrize("strange", [{}, {"documents": "all"}, {"documents": None, "url": 7}])
def test_a_visit_that_cannot_be_read_is_made_again(warehouse: Warehouse, strange: dict) -> None:
    document = Document(
        id=document_id(PLACE), url=PLACE, source_id=NOTES.id, author="Ada", title="A", content="Some words."
    )
    visit = Visit(url=PLACE, reader="files/1", documents=[PLACE], digest="1")
    warehouse.documents.observe(NOTES, [document, visit], complete=True)
    memory = warehouse.sources.memory([NOTES])
    assert memory.visit(NOTES, PLACE)
    write(warehouse, "visits", {"_id": f"{NOTES.id} {PLACE}", "source_id": NOTES.id, **strange})
    memory = warehouse.sources.memory([NOTES])
    assert memory.visit(NOTES, PLACE) is None
    assert list(memory.visits(NOTES)) == []
    assert warehouse.documents.observe(NOTES, [document, visit], complete=True).counts["unchanged"] == 1


@pytest.mark.parametrize("strange", [{}, {"state": "paused"}, {"scope": 1, "state": "cut off"}])
def test_a_run_that_cannot_be_read_is_not_gone_on_with(warehouse: Warehouse, strange: dict) -> None:
    write(warehouse, "runs", {"_id": "strange", "started_at": utcnow(), **strange})
    with warehouse.runs.begin([NOTES]) as run:
        assert not run.resumes


def cut_off(warehouse: Warehouse) -> None:
    with warehouse.runs.begin([NOTES]):
        raise KeyboardInterrupt


def test_a_run_of_a_clock_that_ran_ahead_is_not_the_last(warehouse: Warehouse) -> None:
    with pytest.raises(KeyboardInterrupt):
        cut_off(warehouse)
    ahead = utcnow() + timedelta(days=400)
    write(warehouse, "runs", {"_id": "ahead", "scope": "other", "sources": 1, "started_at": ahead, "since": ahead})
    with warehouse.runs.begin([NOTES]) as run:
        assert run.resumes


@pytest.mark.parametrize("garbage", [b"no JSON\n", b"{}\n", b"\xff\xfe", b'{"at": 7}\n'])
def test_evaluations_that_cannot_be_read_are_passed_over_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, garbage: bytes
) -> None:
    store = ArtifactStore(str(tmp_path))
    store.write(PATH, garbage)
    with caplog.at_level(logging.WARNING):
        assert history(store) == []
    assert PATH in caplog.text


def test_a_dataset_whose_manifest_cannot_be_read_is_derived_anew(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    store.write("datasets/chunks/manifest.json", b"no JSON")
    dataset = store.dataset("chunks", Chunk)
    assert list(dataset.rows()) == []
    dataset.sync({"a": "1"}, lambda ids: ((key, []) for key in ids))
    assert dataset.fingerprints() == {"a": "1"}
