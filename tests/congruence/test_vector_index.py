"""The same random publications and searches on every engine of the vector index give the same results."""

from __future__ import annotations

import os
import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from twin.errors import ArtifactError, IndexUnavailable
from twin.features.index.edge import EdgeIndex
from twin.features.index.server import ServerIndex
from twin.records import Chunk, Passage, chunk_id, content_hash

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from twin.features.index import VectorIndex

DIMENSIONS = 16
WORDS = [
    f"{root}{ending}" for root in ("garden", "engine", "river", "lantern", "winter") for ending in ("", "al", "ix")
]
DAY = datetime(2025, 1, 1, tzinfo=UTC)


def engines() -> list[str]:
    return ["edge", "memory", *(["server"] if os.environ.get("QDRANT_URL") else [])]


def make(engine: str, folder: Path) -> VectorIndex:
    if engine == "edge":
        return EdgeIndex(folder / "index", dimensions=DIMENSIONS)
    alias = f"test_{uuid.uuid4().hex[:12]}"
    if engine == "memory":
        from qdrant_client import QdrantClient

        return ServerIndex(lambda: QdrantClient(":memory:"), place="memory", alias=alias, dimensions=DIMENSIONS)
    api_key = os.environ.get("QDRANT_API_KEY")
    return ServerIndex.at(os.environ["QDRANT_URL"], api_key=api_key, alias=alias, dimensions=DIMENSIONS)


@pytest.fixture(params=engines())
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VectorIndex]:
    made = make(request.param, tmp_path)
    yield made
    made.close()


class World:
    """Random chunks and vectors from one seed, and what a publication of some of them is asked for.

    No two texts are about the same length, so no two have the same BM25 score: the order of ties is up to the engine.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.numbers = np.random.default_rng(seed)
        self.chunks: dict[str, tuple[Chunk, np.ndarray]] = {}
        self.asked: list[str] = []
        self._made = 0

    def add(self, count: int) -> None:
        for _ in range(count):
            self._made += 1
            chunk = Chunk(
                id=chunk_id("doc", 1, self._made),
                document_id=f"doc-{self.random.randrange(9)}",
                revision=1,
                ordinal=self._made,
                text=" ".join(self.random.choices(WORDS, k=3 + 3 * self._made)) + f" unique{self._made}",
                heading_path=self.random.choice([[], ["One"], ["One", "Two"]]),
                token_count=9,
                title="Title",
                url="https://a.example/",
                author=self.random.choice(["Ada", "Bob"]),
                kind=self.random.choice(["article", "post", "repository"]),
                platform=self.random.choice(["a.example", "b.example"]),
                published_at=self.random.choice([None, DAY + timedelta(days=self.random.randrange(100))]),
            )
            self.chunks[chunk.id] = chunk, self.vector()

    def change(self, count: int) -> None:
        for identity in self.random.sample(sorted(self.chunks), count):
            chunk, _ = self.chunks[identity]
            self.chunks[identity] = chunk, self.vector()

    def remove(self, count: int) -> None:
        for identity in self.random.sample(sorted(self.chunks), count):
            del self.chunks[identity]

    def vector(self) -> np.ndarray:
        vector = self.numbers.normal(size=DIMENSIONS).astype(np.float32)
        return vector / np.linalg.norm(vector)

    @property
    def wanted(self) -> dict[str, str]:
        return {identity: content_hash(chunk.text, str(vector)) for identity, (chunk, vector) in self.chunks.items()}

    def load(self, identities: Sequence[str]) -> list[tuple[Chunk, np.ndarray]]:
        self.asked = list(identities)
        return [self.chunks[identity] for identity in identities]

    def filters(self) -> dict[str, Any]:
        choices = {
            "author": self.random.choice(["Ada", "Bob", "Nobody"]),
            "kind": self.random.choice(["article", "post", "repository"]),
            "platform": self.random.choice(["a.example", "b.example"]),
            "published_from": DAY + timedelta(days=self.random.randrange(60)),
            "published_until": DAY + timedelta(days=self.random.randrange(40, 100)),
        }
        return {name: choices[name] for name in self.random.sample(sorted(choices), self.random.randrange(4))}


def ranking(passages: Sequence[Passage]) -> list[float]:
    """Scores in order: passages that share a score may come in any order."""
    return [round(passage.score, 5) for passage in passages]


def above_the_last_score(passages: Sequence[Passage]) -> dict[str, tuple[float, float]]:
    """Score and similarity of every passage that cannot be exchanged for another of equal score just below the cut."""
    last = round(passages[-1].score, 5) if passages else 0.0
    return {
        passage.chunk_id: (round(passage.score, 5), round(passage.similarity or 0.0, 4))
        for passage in passages
        if round(passage.score, 5) > last
    }


@pytest.mark.parametrize("seed", range(4))
def test_engines_agree_through_random_publications(seed: int, tmp_path: Path):
    world = World(seed)
    indexes = [make(engine, tmp_path) for engine in engines()]
    world.add(40)
    for step in range(5):
        wanted = world.wanted
        reports = [index.publish(wanted, world.load, schema="s1" if step < 3 else "s2") for index in indexes]
        figures = [(r.added, r.changed, r.removed, r.unchanged, r.total, r.data_version) for r in reports]
        assert figures[1:] == figures[:-1]
        assert {index.count() for index in indexes} == {len(wanted)}
        for _ in range(12):
            question, vector, filters = " ".join(world.random.choices(WORDS, k=3)), world.vector(), world.filters()
            found = [index.search(question, vector, 6, **filters) for index in indexes]
            assert [ranking(passages) for passages in found[1:]] == [ranking(passages) for passages in found[:-1]]
            sets = [above_the_last_score(passages) for passages in found]
            assert sets[1:] == sets[:-1]
        world.add(world.random.randrange(8))
        world.change(world.random.randrange(1, 6))
        world.remove(world.random.randrange(6))
    for index in indexes:
        index.close()


def test_passages_carry_their_chunk_and_their_similarity(index: VectorIndex):
    world = World(7)
    world.add(30)
    index.publish(world.wanted, world.load, schema="s")
    question = world.vector()
    passages = index.search("garden winteral", question, 10)
    assert len(passages) == 10
    assert [passage.score for passage in passages] == sorted((p.score for p in passages), reverse=True)
    for passage in passages:
        chunk, vector = world.chunks[passage.chunk_id]
        assert (passage.text, passage.heading_path, passage.author) == (chunk.text, chunk.heading_path, chunk.author)
        assert (passage.document_id, passage.title, passage.url) == (chunk.document_id, chunk.title, chunk.url)
        assert passage.similarity == pytest.approx(float(vector @ question), abs=1e-5)


def test_words_find_what_vectors_do_not(index: VectorIndex):
    world = World(8)
    world.add(30)
    index.publish(world.wanted, world.load, schema="s")
    target, vector = world.chunks[sorted(world.chunks)[3]]
    name = target.text.split()[-1]
    assert target.id in {passage.chunk_id for passage in index.search(name, -vector, 2)}


@pytest.mark.parametrize("question", ["", "   ", "the of and", "?!"])
def test_a_question_without_words_is_searched_by_its_vector_alone(index: VectorIndex, question: str):
    world = World(9)
    world.add(10)
    index.publish(world.wanted, world.load, schema="s")
    target, vector = world.chunks[sorted(world.chunks)[0]]
    best = index.search(question, vector, 1)[0]
    assert (best.chunk_id, round(best.similarity or 0, 4)) == (target.id, 1.0)


def test_every_filter_keeps_out_what_it_should(index: VectorIndex):
    world = World(10)
    world.add(60)
    index.publish(world.wanted, world.load, schema="s")
    middle = DAY + timedelta(days=50)
    expected = {
        identity
        for identity, (chunk, _) in world.chunks.items()
        if chunk.author == "Ada" and chunk.published_at is not None and chunk.published_at >= middle
    }
    found = index.search("garden", world.vector(), 60, author="Ada", published_from=middle)
    assert expected
    assert {passage.chunk_id for passage in found} == expected


def test_an_unchanged_publication_asks_for_nothing_and_keeps_the_generation(index: VectorIndex):
    world = World(11)
    world.add(12)
    first = index.publish(world.wanted, world.load, schema="s")
    world.asked = []
    second = index.publish(world.wanted, world.load, schema="s")
    assert world.asked == []
    assert (second.generation, second.data_version) == (first.generation, first.data_version)
    assert (second.added, second.changed, second.removed, second.unchanged) == (0, 0, 0, 12)
    assert index.generation() == first.generation


def test_only_new_and_changed_chunks_are_asked_for(index: VectorIndex):
    world = World(12)
    world.add(12)
    index.publish(world.wanted, world.load, schema="s")
    before = world.wanted
    world.remove(2)
    world.change(3)
    world.add(4)
    report = index.publish(world.wanted, world.load, schema="s")
    assert set(world.asked) == {identity for identity, mark in world.wanted.items() if before.get(identity) != mark}
    assert report.added == 4
    assert report.total == index.count() == 14


def test_another_schema_loads_everything_and_can_be_rolled_back(index: VectorIndex):
    world = World(13)
    world.add(12)
    first = index.publish(world.wanted, world.load, schema="s1")
    second = index.publish(world.wanted, world.load, schema="s2")
    assert (len(world.asked), second.added) == (12, 12)
    assert first.generation != second.generation == index.generation()
    assert index.rollback() == first.generation == index.generation()
    assert index.count() == 12


def test_a_chunk_without_a_vector_is_an_error_and_the_next_publication_completes(index: VectorIndex):
    world = World(14)
    world.add(5)
    index.publish(world.wanted, world.load, schema="s")
    live = index.generation()
    world.add(3)
    with pytest.raises(ArtifactError, match="1 chunks have no vector"):
        index.publish(world.wanted, lambda identities: world.load(identities)[1:], schema="s")
    assert index.generation() == live
    assert index.publish(world.wanted, world.load, schema="s").total == index.count() == 8


@pytest.mark.parametrize("broken", [np.ones(3, np.float32), np.full(DIMENSIONS, np.nan, np.float32)])
def test_a_vector_that_does_not_fit_is_refused(index: VectorIndex, broken: np.ndarray):
    world = World(15)
    world.add(2)
    with pytest.raises(ArtifactError, match="16 finite numbers"):
        index.publish(world.wanted, lambda ids: [(world.chunks[identity][0], broken) for identity in ids], schema="s")


def test_before_the_first_publication_there_is_nothing_to_search(index: VectorIndex):
    assert index.generation() is None
    for operation in (lambda: index.search("a", np.ones(DIMENSIONS, np.float32), 3), index.count):
        with pytest.raises(IndexUnavailable, match="llm-twin ingest"):
            operation()
    with pytest.raises(IndexUnavailable):
        index.rollback()
