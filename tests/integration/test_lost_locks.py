"""A lock whose holder is dead is taken over, and a holder that lost its lock writes nothing more."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest

from twin import cleaning
from twin.artifacts import ArtifactStore
from twin.errors import PublishConflict
from twin.features.index.generations import Generations
from twin.processes.identity import ProcessIdentity
from twin.records import Document, Source, document_id
from twin.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SOURCE = Source(kind="folder", location="/notes", author="Ada")
A_DOCUMENT = Document(
    id=document_id("/notes/a"), url="/notes/a", source_id=SOURCE.id, author="Ada", title="A", content="Some words."
)


@pytest.fixture
def warehouse(mongo_uri: str, mongo_database: str) -> Iterator[Warehouse]:
    with Warehouse(mongo_uri, mongo_database, max_vanished_share=1.0) as warehouse:
        yield warehouse


def look(warehouse: Warehouse, documents: list[Document]) -> None:
    warehouse.documents.observe(SOURCE, documents, complete=True, confirm_vanished=True)


def test_the_lock_of_a_process_that_was_killed_is_taken_over_at_once(warehouse: Warehouse) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        process = ProcessIdentity.of(child.pid)
        held = {"token": "theirs", "owner": "a killed run", "process": str(process)}
        until = {"$add": ["$$NOW", 600_000]}
        warehouse._connection.database["locks"].update_one(
            {"_id": "publish"}, [{"$set": {**held, "expires_at": until}}], upsert=True
        )
        with pytest.raises(PublishConflict, match="a killed run"):
            warehouse.publish_lock("too early").__enter__()
        child.kill()
    with warehouse.publish_lock("the next one") as lease:
        assert lease.owner == "the next one"


def write_after_another_took_the_lock(warehouse: Warehouse, write: Callable[[], object]) -> None:
    with warehouse.publish_lock("slow"):
        warehouse._connection.database["locks"].update_one({"_id": "publish"}, {"$set": {"token": "another's"}})
        write()


def test_who_lost_the_lock_writes_nothing_more(warehouse: Warehouse, tmp_path: Path) -> None:
    store, generations = ArtifactStore(str(tmp_path / "store")), Generations(tmp_path / "index")
    look(warehouse, [A_DOCUMENT])
    before = warehouse.documents.fingerprints()
    writes: list[Callable[[], object]] = [
        lambda: store.write("current", b"mine"),
        lambda: generations.switch("000001-mine"),
        lambda: look(warehouse, [msgspec.structs.replace(A_DOCUMENT, content="Another text.")]),
        lambda: look(warehouse, []),
        lambda: warehouse.cleaned.write([(cleaning.clean(A_DOCUMENT), "print")]),
    ]
    for write in writes:
        with pytest.raises(PublishConflict, match="lost the publishing lock"):
            write_after_another_took_the_lock(warehouse, write)
        warehouse._connection.database["locks"].delete_many({})
    assert (store.read("current"), generations.current()) == (None, None)
    assert warehouse.documents.fingerprints() == before
    assert warehouse.cleaned.count() == 0
