"""Ten times as many documents are compared with what is held in the same memory.

`benchmarks/collection.py` shows it at a hundred thousand.
"""

from __future__ import annotations

import gc
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from twin.records import Document, Source, Unchanged, document_id
from twin.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.collection.collector import Item

SOURCE = Source(kind="jsonl", location="/export.jsonl", author="Ada")
FEW, MANY = 1_000, 10_000
ALLOWED_GROWTH = 700_000
"""Bytes. The ids of 9,000 more documents alone would take 1.1 MB as strings in a set."""
pytestmark = pytest.mark.timeout(300)


def shown(count: int) -> Iterator[Item]:
    """A small document each, the same at every look."""
    for number in range(count):
        url = f"https://a.example/{number}"
        yield Document(
            id=document_id(url), url=url, source_id=SOURCE.id, author="Ada", title=f"Note {number}", content="Words."
        )


def peak_of(work: Iterator[object]) -> int:
    """The most memory that Python's objects take while an iterator is run down, in bytes."""
    gc.collect()
    tracemalloc.start(1)
    for _ in work:
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


@pytest.fixture(scope="module")
def warehouse(mongo_uri: str) -> Iterator[Warehouse]:
    """A warehouse of many documents."""
    with Warehouse(mongo_uri, "test_flat_memory") as warehouse:
        warehouse.documents.observe(SOURCE, shown(MANY), complete=True)
        yield warehouse
        warehouse._connection.client.drop_database("test_flat_memory")


def looks(warehouse: Warehouse, items: Iterator[Item], *, complete: bool) -> Iterator[object]:
    yield warehouse.documents.observe(SOURCE, items, complete=complete)


def test_looking_at_ten_times_as_many_documents_takes_no_more_memory(warehouse: Warehouse) -> None:
    few = peak_of(looks(warehouse, shown(FEW), complete=False))
    many = peak_of(looks(warehouse, shown(MANY), complete=True))
    assert many - few < ALLOWED_GROWTH
    told = (Unchanged(url=f"https://a.example/{number}") for number in range(MANY))
    assert peak_of(looks(warehouse, told, complete=True)) - few < ALLOWED_GROWTH


def test_streams_of_ids_and_hashes_are_read_in_order_and_never_held(warehouse: Warehouse) -> None:
    assert peak_of(warehouse.documents.fingerprint_stream()) < ALLOWED_GROWTH
    before, count = "", 0
    for key, _ in warehouse.documents.fingerprint_stream():
        assert before < key
        before = key
        count += 1
    assert count == MANY == warehouse.documents.count()
