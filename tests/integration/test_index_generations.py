"""The in-process index with many readers, across processes, and when publishing fails."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from twin.errors import ArtifactError, IndexUnavailable
from twin.features.index import open_index
from twin.features.index.edge import EdgeIndex
from twin.features.index.generations import KEEP
from twin.features.index.server import ServerIndex
from twin.records import Chunk, chunk_id
from twin.settings import QdrantSettings, read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

DIMENSIONS = 8
PATIENCE_SECONDS = 20
QUESTION = np.eye(DIMENSIONS, dtype=np.float32)[0]


def chunk(number: int) -> tuple[Chunk, np.ndarray]:
    identity = chunk_id("doc", 1, number)
    vector = np.random.default_rng(number).normal(size=DIMENSIONS).astype(np.float32)
    record = Chunk(
        id=identity,
        document_id="doc",
        revision=1,
        ordinal=number,
        text=f"passage number {number}",
        token_count=5,
        title="Title",
        url="https://a.example/",
        author="Ada",
    )
    return record, vector / np.linalg.norm(vector)


class Corpus:
    """Chunks 0 to `size`, every one marked with the round in which it was written."""

    def __init__(self, size: int) -> None:
        self.points = {record.id: (record, vector) for record, vector in map(chunk, range(size))}

    def wanted(self, mark: object = "1") -> dict[str, str]:
        return dict.fromkeys(self.points, str(mark))

    def load(self, identities: Sequence[str]) -> list[tuple[Chunk, np.ndarray]]:
        return [self.points[identity] for identity in identities]


def eventually(holds: Callable[[], bool]) -> None:
    """Fails if something does not come to hold; readers follow a publication a moment after it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def index(tmp_path: Path) -> EdgeIndex:
    return EdgeIndex(tmp_path / "index", dimensions=DIMENSIONS)


def test_a_reader_sees_a_publication_without_being_told(index: EdgeIndex, tmp_path: Path):
    reader = EdgeIndex(tmp_path / "index", dimensions=DIMENSIONS)
    index.publish(Corpus(3).wanted(), Corpus(3).load, schema="s")
    assert reader.count() == 3
    index.publish(Corpus(5).wanted(), Corpus(5).load, schema="s")
    eventually(lambda: reader.count() == 5)
    assert len(reader.search("passage", QUESTION, 10)) == 5


def test_a_failed_publication_leaves_the_live_generation_and_nothing_else(index: EdgeIndex, tmp_path: Path):
    report = index.publish(Corpus(3).wanted(), Corpus(3).load, schema="s")

    def fail_half_way(identities: Sequence[str]):
        yield from Corpus(9).load(identities)[:2]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        index.publish(Corpus(9).wanted(), fail_half_way, schema="s")
    assert (index.generation(), index.count()) == (report.generation, 3)
    assert not (tmp_path / "index" / "staging").exists()
    assert index.publish(Corpus(9).wanted(), Corpus(9).load, schema="s").added == 6


def test_carried_over_points_are_still_searchable_after_many_generations(index: EdgeIndex):
    for size in range(1, 12):
        index.publish(Corpus(size).wanted(), Corpus(size).load, schema="s")
    found = index.search("number", QUESTION, 20)
    assert {passage.chunk_id for passage in found} == set(Corpus(11).points)


def test_searches_in_flight_survive_publications_that_remove_their_generation(index: EdgeIndex):
    corpus = Corpus(40)
    index.publish(corpus.wanted(0), corpus.load, schema="s")
    done = threading.Event()

    def search_on() -> set[int]:
        found = set()
        while not done.is_set():
            found.add(len(index.search("passage number 7", QUESTION, 5)))
        return found

    with ThreadPoolExecutor(2) as pool:
        searching = [pool.submit(search_on) for _ in range(2)]
        try:
            for mark in range(1, KEEP + 2):
                index.publish(corpus.wanted(mark), corpus.load, schema="s")
        finally:
            done.set()
    assert [search.result() for search in searching] == [{5}, {5}]


READER = """
import sys
from pathlib import Path
import numpy as np
from twin.features.index.edge import EdgeIndex

index = EdgeIndex(Path(sys.argv[1]), dimensions=8)
print(index.count(), flush=True)
seen = set()
while "stop" not in seen:
    found = index.search("passage", np.eye(8, dtype=np.float32)[0], 50)
    if len(found) not in seen:
        seen.add(len(found))
        print(len(found), flush=True)
    if len(found) == 12:
        seen.add("stop")
"""


def test_readers_in_other_processes_follow_the_live_generation(index: EdgeIndex, tmp_path: Path):
    index.publish(Corpus(10).wanted(), Corpus(10).load, schema="s")
    command = [sys.executable, "-c", READER, str(tmp_path / "index")]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        for reader in readers:
            assert reader.stdout is not None
            assert reader.stdout.readline().strip() == "10"
        for size in (10, 11, 12):
            index.publish(Corpus(size).wanted(size), Corpus(size).load, schema="s")
        outputs = [reader.communicate(timeout=60)[0].split() for reader in readers]
    finally:
        for reader in readers:
            reader.kill()
            reader.wait()
    assert [reader.returncode for reader in readers] == [0, 0]
    assert all(output[-1] == "12" and set(output) <= {"10", "11", "12"} for output in outputs)


def test_a_damaged_generation_says_where_it_is_and_what_to_do(index: EdgeIndex, tmp_path: Path):
    generation = index.publish(Corpus(3).wanted(), Corpus(3).load, schema="s").generation
    (tmp_path / "index" / "generations" / generation / "shard" / "edge_config.json").write_text("{")
    with pytest.raises(IndexUnavailable, match="materialize vector_index"):
        index.count()


def test_a_generation_of_unexpected_size_is_not_published(index: EdgeIndex):
    corpus = Corpus(3)
    twice = {spelling: "1" for identity in corpus.points for spelling in (identity, identity.upper())}

    def load(identities: Sequence[str]) -> list[tuple[Chunk, np.ndarray]]:
        found = [(identity, *corpus.points[identity.lower()]) for identity in identities]
        return [(msgspec.structs.replace(record, id=identity), vector) for identity, record, vector in found]

    with pytest.raises(ArtifactError, match="3 passages instead of 6"):
        index.publish(twice, load, schema="s")
    assert index.generation() is None


def test_a_server_that_does_not_answer_is_named_with_advice(tmp_path: Path):
    settings = read(QdrantSettings).model_copy(update={"url": "http://127.0.0.1:9"})
    index = open_index(settings, tmp_path, dimensions=DIMENSIONS)
    assert isinstance(index, ServerIndex)
    operations = [index.count, index.generation, index.rollback, lambda: index.search("a", QUESTION, 3)]
    operations.append(lambda: index.publish(Corpus(1).wanted(), Corpus(1).load, schema="s"))
    for operation in operations:
        with pytest.raises(IndexUnavailable, match=r"http://127\.0\.0\.1:9 does not answer.*QDRANT_URL"):
            operation()


def test_without_a_server_the_index_is_in_process(tmp_path: Path):
    settings = read(QdrantSettings).model_copy(update={"url": None})
    assert isinstance(open_index(settings, tmp_path, dimensions=DIMENSIONS), EdgeIndex)
