"""The in-process index with many readers, across processes, and when publishing fails."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from twin.errors import ArtifactError, IndexUnavailable
from twin.features.index import open_index
from twin.features.index.edge import EdgeIndex
from twin.features.index.files import FROZEN
from twin.features.index.generations import KEEP, Generations
from twin.features.index.server import ServerIndex
from twin.records import Chunk, chunk_id
from twin.settings import QdrantSettings, read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DIMENSIONS = 8
PATIENCE_SECONDS = 20
QUESTION = np.eye(DIMENSIONS, dtype=np.float32)[0]


def chunk(number: int, dimensions: int = DIMENSIONS) -> tuple[Chunk, np.ndarray]:
    identity = chunk_id("doc", 1, number)
    vector = np.random.default_rng(number).normal(size=dimensions).astype(np.float32)
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

    def __init__(self, size: int, dimensions: int = DIMENSIONS) -> None:
        self.points = {record.id: (record, vector) for record, vector in (chunk(n, dimensions) for n in range(size))}

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


def shard_of(root: Path, generation: str) -> Path:
    return root / "index" / "generations" / generation / "shard"


def cut_short(folder: Path) -> None:
    """Damages a generation as a full disk or a lost write would: a file ends too early."""
    largest = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    os.truncate(largest, largest.stat().st_size // 2)


def published(index: EdgeIndex, *sizes: int) -> list[str]:
    return [index.publish(Corpus(size).wanted(), Corpus(size).load, schema="s").generation for size in sizes]


def test_a_reader_falls_back_from_a_damaged_generation_and_says_so(index: EdgeIndex, tmp_path: Path):
    good, damaged = published(index, 3, 5)
    index.close()
    cut_short(shard_of(tmp_path, damaged))
    assert (index.count(), index.generation()) == (3, good)
    problem = index.status().problem or ""
    assert damaged in problem
    assert "materialize vector_index" in problem
    assert f"answered from generation {good}" in problem


def test_an_open_reader_answers_on_when_the_next_generation_is_damaged(index: EdgeIndex, tmp_path: Path):
    reader = EdgeIndex(tmp_path / "index", dimensions=DIMENSIONS)
    first, second = published(index, 3, 4)
    assert reader.count() == 4
    index.rollback()
    cut_short(shard_of(tmp_path, second))
    eventually(lambda: reader.generation() == first)
    with pytest.raises(IndexUnavailable):
        EdgeIndex(tmp_path / "index", dimensions=DIMENSIONS)._open(second)
    index.close()
    index.rollback(second)
    eventually(lambda: reader._live._problem is not None)
    assert (reader.count(), reader.generation()) == (3, first)


@pytest.mark.parametrize("changed", [False, True])
def test_publishing_builds_a_damaged_index_again(index: EdgeIndex, tmp_path: Path, changed: bool):
    (damaged,) = published(index, 4)
    index.close()
    cut_short(shard_of(tmp_path, damaged))
    report = index.publish(Corpus(4 + changed).wanted(), Corpus(5).load, schema="s")
    assert (report.added, report.total) == (4 + changed, 4 + changed)
    assert report.generation != damaged
    assert (index.count(), index.status().problem) == (4 + changed, None)


@pytest.mark.parametrize("changed", [False, True])
def test_publishing_builds_an_index_again_that_is_damaged_within_its_files(
    index: EdgeIndex, tmp_path: Path, changed: bool
):
    (damaged,) = published(index, 4)
    index.close()
    for described in shard_of(tmp_path, damaged).rglob("segment.json"):
        described.write_bytes(b"?" * described.stat().st_size)
    report = index.publish(Corpus(4 + changed).wanted(), Corpus(5).load, schema="s")
    assert (report.added, report.total) == (4 + changed, 4 + changed)
    assert (index.count(), index.status().problem) == (4 + changed, None)


def test_a_publication_that_was_killed_before_the_switch_is_published_by_the_next(
    index: EdgeIndex, monkeypatch: pytest.MonkeyPatch
):
    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    published(index, 3)
    with monkeypatch.context() as patched:
        patched.setattr(Generations, "switch", kill)
        with pytest.raises(Killed):
            published(index, 5)
    assert (index.count(), index.status().held) == (3, None)
    report = index.publish(Corpus(5).wanted(), Corpus(5).load, schema="s")
    assert (report.held, report.added, index.count()) == (None, 2, 5)


def test_a_reader_that_nobody_asks_follows_all_the_same(index: EdgeIndex, tmp_path: Path):
    reader = EdgeIndex(tmp_path / "index", dimensions=DIMENSIONS)
    published(index, 2)
    reader.count()
    (second,) = published(index, 3)
    eventually(lambda: reader.generation() == second)
    reader.close()
    assert reader.count() == 3


def test_sixteen_threads_search_one_index_while_it_is_published(index: EdgeIndex):
    corpus = Corpus(60)
    index.publish(corpus.wanted(0), corpus.load, schema="s")
    published, done = threading.Event(), threading.Event()

    def search_on(number: int) -> set[tuple[str, ...]]:
        vector, found = corpus.points[chunk_id("doc", 1, number)][1], set()
        while not done.is_set() or not found:
            found.add(tuple(passage.chunk_id for passage in index.search(f"number {number}", vector, 1)))
            published.wait(0.02)  # leaves the processor to the others
        return found

    with ThreadPoolExecutor(16) as pool:
        searching = [pool.submit(search_on, number) for number in range(16)]
        try:
            for mark in (1, 2):
                index.publish(corpus.wanted(mark), corpus.load, schema="s")
        finally:
            done.set()
            published.set()
    assert [search.result() for search in searching] == [{(chunk_id("doc", 1, number),)} for number in range(16)]


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_index_generations import Marked
from twin.features.index.edge import EdgeIndex

index = EdgeIndex(Path(sys.argv[1]), dimensions=8)
print("ready", flush=True)
for mark in range(int(sys.argv[3]), 1_000_000):
    index.publish(Marked(mark).wanted(mark), Marked(mark).load, schema="s")
    print(mark, flush=True)
"""


class Marked(Corpus):
    """Chunks whose text says in which round they were written."""

    def __init__(self, mark: int) -> None:
        super().__init__(300)
        self._mark = mark

    def load(self, identities: Sequence[str]) -> list[tuple[Chunk, np.ndarray]]:
        return [
            (msgspec.structs.replace(record, text=f"{record.text} round {self._mark}"), vector)
            for record, vector in super().load(identities)
        ]


def test_a_reader_answers_from_whole_generations_while_writers_are_killed(index: EdgeIndex, tmp_path: Path):
    index.publish(Marked(0).wanted(0), Marked(0).load, schema="s")
    done, rounds, moment = threading.Event(), [], random.Random(5)

    def search_on() -> int:
        searches = 0
        while not done.wait(0.005):
            passages = index.search("passage number round", QUESTION, 40)
            rounds.append({passage.text.rsplit(" ", 1)[1] for passage in passages})
            assert len(passages) == 40
            searches += 1
        return searches

    with ThreadPoolExecutor(1) as pool:
        searching = pool.submit(search_on)
        try:
            for number in range(5):
                start = str(1000 * (number + 1))
                command = [sys.executable, "-c", WRITER, str(tmp_path / "index"), str(Path(__file__).parent), start]
                with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
                    assert writer.stdout is not None
                    assert writer.stdout.readline() == "ready\n"
                    for _ in range(number % 3):
                        writer.stdout.readline()
                    time.sleep(moment.uniform(0, 0.3))  # the moment of the kill, not a wait for anything
                    writer.kill()
        finally:
            done.set()
    assert searching.result() > 50
    assert all(len(marks) == 1 for marks in rounds)
    assert len({mark for marks in rounds for mark in marks}) > 1
    report = index.publish(Marked(9).wanted(9), Marked(9).load, schema="s")
    assert (report.changed, index.count(), index.status().problem) == (300, 300, None)


LIMITED = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_index_generations import Corpus
from twin.errors import TwinError
from twin.features.index.edge import EdgeIndex

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
try:
    EdgeIndex(Path(sys.argv[1]), dimensions=8).publish(Corpus(9).wanted(), Corpus(9).load, schema="s")
except TwinError as error:
    print(error.message)
"""


@pytest.mark.parametrize("limit", [100, 60_000, 3_000_000])
def test_a_disk_that_takes_no_more_leaves_the_live_generation(index: EdgeIndex, tmp_path: Path, limit: int):
    (live,) = published(index, 4)
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "index"), str(Path(__file__).parent), str(limit)]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (outcome.returncode, "live index was not changed" in outcome.stdout) == (0, True)
    assert (index.generation(), index.count()) == (live, 4)
    (second,) = published(index, 9)
    assert (index.generation(), index.count()) == (second, 9)


def test_a_generation_is_never_changed_again(tmp_path: Path):
    """Not by readers, not by the next publications, although these share its largest files."""
    index, large = EdgeIndex(tmp_path / "index", dimensions=1024), Corpus(2_700, 1024)
    wanted = large.wanted()
    first = index.publish(wanted, large.load, schema="s").generation
    before = digests(shard_of(tmp_path, first))
    assert sum(path.endswith("matrix.dat") for path in before) == 1  # large enough for a segment of its own
    changed = {**wanted, **dict.fromkeys([*wanted][:40], "2")}
    del changed[max(changed)]
    with EdgeMaps() as maps:
        second = index.publish(changed, large.load, schema="s").generation
    assert maps.frozen == set()
    index.search("number 7", np.eye(1024, dtype=np.float32)[0], 5)
    assert digests(shard_of(tmp_path, first)) == before
    shared = [name for name in before if shard_of(tmp_path, first).joinpath(name).stat().st_nlink > 1]
    assert {Path(name).name for name in shared} >= {"matrix.dat", "inverted_index.dat"}
    index.rollback()
    assert index.count() == 2_700
    assert digests(shard_of(tmp_path, second)).keys() >= set(shared)


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every file, but of the one that the engine puts in place anew, with the same content, when it opens."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class EdgeMaps:
    """Watches, while a block runs, which shared files this process has mapped for writing."""

    def __init__(self) -> None:
        self.frozen: set[str] = set()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> EdgeMaps:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            for line in Path("/proc/self/maps").read_text("utf-8").splitlines():
                fields = line.split(maxsplit=5)
                if "w" in fields[1] and len(fields) == 6 and Path(fields[5]).name in FROZEN:
                    self.frozen.add(fields[5])
            if self._done.wait(0.01):
                return


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
