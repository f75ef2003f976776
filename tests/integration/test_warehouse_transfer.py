"""The whole warehouse out and in again, on a real mongod."""

from __future__ import annotations

import functools
import itertools
import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from twin.errors import InputError
from twin.records import Document, Interaction, Passage, Rejected, Source, Visit, document_id
from twin.warehouse import Feedback, Warehouse
from twin.warehouse.transfer import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOURCE = Source(kind="folder", location="/notes", author="Ada")
MOMENT = datetime(2026, 3, 1, 12, 30, 15, 123_000, tzinfo=UTC)


def a_document(name: str, content: str = "Some words.", **fields: Any) -> Document:
    url = f"/notes/{name}"
    return Document(
        id=document_id(url), url=url, source_id=SOURCE.id, author="Ada", title=name, content=content, **fields
    )


@pytest.fixture
def open_warehouse(mongo_uri: str, mongo_database: str) -> Iterator[Callable[..., Warehouse]]:
    """Call it for a fresh, empty warehouse, each time another one."""
    numbers = itertools.count()
    opened: list[Warehouse] = []

    def fresh(start: datetime = MOMENT) -> Warehouse:
        ticks = itertools.count()
        name = f"{mongo_database}_{next(numbers)}"
        warehouse = Warehouse(mongo_uri, name, clock=lambda: start + timedelta(seconds=next(ticks)))
        opened.append(warehouse)
        return warehouse

    yield fresh
    for warehouse in opened:
        warehouse._connection.client.drop_database(warehouse._connection.database.name)
        warehouse.close()


def filled(warehouse: Warehouse) -> Warehouse:
    """Documents added, changed twice, removed and refused, with odd text; an interaction; a visit."""
    odd = 'Zeilen\u2028trenner, \0 "quotes" \\ {"$date": 1} \U0001f600\r\n\ttabs'
    warehouse.sources.add([SOURCE])
    first = [a_document("a", odd, published_at=MOMENT), a_document("b"), a_document("c"), a_document("d")]
    warehouse.documents.observe(SOURCE, first, complete=True)
    for words in ("Once.", "Twice."):
        warehouse.documents.observe(
            SOURCE, [a_document("a", odd), a_document("b", words), a_document("d")], complete=True
        )
    rejected = Rejected(url="/notes/e", reason="too large", refused=True)
    visit = Visit(url="file:///notes/a", reader="x/1", documents=["/notes/a"], digest="1")
    warehouse.documents.observe(SOURCE, [*first[:2], first[3], rejected, visit], complete=True)
    passage = Passage(
        chunk_id="c", document_id="d", text="t", heading_path=[], title="T", url="u", author="Ada", score=1.0
    )
    warehouse.interactions.record(
        Interaction(
            id="i", trace_id="t", created_at=MOMENT, question="Why?", author=None, answer="\u00e9", status="answered",
            passages=[passage], usage={"prompt_tokens": 2**40}, timings={"total": 0.1, "prompt": 3.0},
        )
    )  # fmt: skip
    said = Feedback(id="f", interaction_id="i", reader="r", score=0.5, correction="\u00e9", at=MOMENT)
    warehouse.ratings.keep(said)
    return warehouse


def exported(warehouse: Warehouse) -> list[bytes]:
    return [line.encode() for line in warehouse.transfer.export_lines()]


def test_a_round_trip_is_exact(open_warehouse: Callable[..., Warehouse]) -> None:
    original = filled(open_warehouse())
    lines = exported(original)
    copy = open_warehouse()
    report = copy.transfer.import_lines(lines)
    assert exported(copy) == lines
    for name in KINDS:
        rows = list(original._connection.database[name].find().sort("_id"))
        assert rows, f"the test has rows in {name}"
        assert list(copy._connection.database[name].find().sort("_id")) == rows
        assert report.added[name] == len(rows)
    assert (report.replaced, report.kept, report.bad) == ({}, {}, 0)
    assert copy.documents.fingerprints() == original.documents.fingerprints()
    assert copy.documents.data_version() == original.documents.data_version()
    assert list(copy.sources.visits(SOURCE)) == []


def test_the_same_lines_once_more_change_nothing(open_warehouse: Callable[..., Warehouse]) -> None:
    warehouse = filled(open_warehouse())
    lines = exported(warehouse)
    report = warehouse.transfer.import_lines(lines)
    assert exported(warehouse) == lines
    assert (report.added, report.replaced) == ({}, {})
    assert sum(report.kept.values()) == len(lines) - 1


def test_the_later_state_of_a_document_stays(open_warehouse: Callable[..., Warehouse]) -> None:
    old, new = open_warehouse(), open_warehouse()
    for warehouse in (old, new):
        warehouse.documents.observe(SOURCE, [a_document("a", "First.")], complete=True)
    new.documents.observe(SOURCE, [a_document("a", "Second.")], complete=True)
    old_lines, new_lines = exported(old), exported(new)
    assert new.transfer.import_lines(old_lines).kept["raw_documents"] == 1
    assert exported(new) == new_lines, "an old export takes nothing back"
    assert old.transfer.import_lines(new_lines).replaced["raw_documents"] == 1
    assert [document.content for document in old.documents.read()] == ["Second."]
    assert [row["content"] for row in old._connection.database["revisions"].find()] == ["First."], (
        "what was replaced is kept"
    )


def test_a_tombstone_comes_along(open_warehouse: Callable[..., Warehouse]) -> None:
    here, there = open_warehouse(), open_warehouse()
    for warehouse in (here, there):
        warehouse.documents.observe(SOURCE, [a_document("a"), a_document("b")], complete=True)
    here.documents.observe(SOURCE, [a_document("a")], complete=True)
    there.transfer.import_lines(exported(here))
    assert [document.title for document in there.documents.read()] == ["a"]


def test_bad_lines_are_told_by_number_and_the_rest_goes_on(open_warehouse: Callable[..., Warehouse]) -> None:
    lines = exported(filled(open_warehouse()))
    document = next(json.loads(line) for line in lines if b'"raw_documents"' in line)
    forged = {**document, "row": {**document["row"], "content": "Forged."}}
    bad = [b"{broken", b"[]", b'{"collection": "locks", "row": {"_id": "publish"}}', json.dumps(forged).encode(), None]
    bad += [b"\xff\xfe", b'{"collection": "outcomes", "row": {"_id": 3}}', b"[" * 100_000]
    warehouse = open_warehouse()
    report = warehouse.transfer.import_lines([lines[0], *bad, *lines[1:]])
    assert [each.line for each in report.bad_lines] == list(range(2, 2 + len(bad)))
    assert "hash does not fit" in report.bad_lines[3].reason
    assert report.bad == len(bad)
    assert exported(warehouse) == lines


@pytest.mark.parametrize(
    ("collection", "changes"),
    [
        ("sources", {"last_look": "yes"}),
        ("sources", {"last_look": {"at": 1, "counts": []}}),
        ("outcomes", {"source_id": None}),
        ("outcomes", {"at": "yesterday"}),
        ("raw_documents", {"more": 2**70}),
        ("raw_documents", {"more": "\ud800"}),
        ("raw_documents", {"more\0": 1}),
        ("raw_documents", {"more": "x" * 16_000_000}),
        ("raw_documents", {"more": functools.reduce(lambda inner, _: [inner], range(250), 1)}),
    ],
)
def test_a_row_that_would_break_the_warehouse_is_told_and_left_out(
    open_warehouse: Callable[..., Warehouse], collection: str, changes: dict[str, Any]
) -> None:
    lines = exported(filled(open_warehouse()))
    row = next(json.loads(line) for line in lines if f'"{collection}"'.encode() in line)
    broken = json.dumps({**row, "row": {**row["row"], **changes}}).encode()
    warehouse = open_warehouse()
    for _ in range(2):
        assert [each.line for each in warehouse.transfer.import_lines([lines[0], broken, *lines[1:]]).bad_lines] == [2]
    assert list(warehouse.sources.problems())
    assert warehouse.sources.last_looks()
    assert exported(warehouse) == lines


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "no export"),
        (b'{"content": "x"}', "no export"),
        (b'{"format": "llm-twin warehouse", "version": 99}', "version 99"),
    ],
)
def test_what_is_no_export_is_an_error(open_warehouse: Callable[..., Warehouse], line: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        open_warehouse().transfer.import_lines([line])


def test_export_and_import_hold_a_few_documents_at_a_time(open_warehouse: Callable[..., Warehouse]) -> None:
    here, there = open_warehouse(), open_warehouse()
    here.documents.observe(
        SOURCE, (a_document(str(number), f"{number:05} " * 10_000) for number in range(1_200)), complete=True
    )
    tracemalloc.start()
    report = there.transfer.import_lines(line.encode() for line in here.transfer.export_lines())  # 72 MB
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert report.added["raw_documents"] == 1_200
    assert peak < 50_000_000
