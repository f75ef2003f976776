"""The same random publications and searches on every engine of the vector index give the same results."""

from __future__ import annotations

import os
import random
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from twin.errors import ArtifactError, IndexUnavailable, UnknownName
from twin.features.index import Filters, Span
from twin.features.index.edge import EdgeIndex
from twin.features.index.server import ServerIndex
from twin.records import Chunk, Passage, chunk_id, content_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from twin.features.index import PublishReport, VectorIndex

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
                id=chunk_id(document := f"doc-{self.random.randrange(9)}", 1, self._made),
                document_id=document,
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
                language=self.random.choice([None, "en", "de"]),
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

    def filters(self) -> Filters:
        documents = [f"doc-{number}" for number in range(9)]
        choices: dict[str, Any] = {
            "authors": self.some(["Ada", "Bob", "Nobody"]),
            "kinds": self.some(["article", "post", "repository"]),
            "platforms": self.some(["a.example", "b.example"]),
            "languages": self.some(["en", "de", "fr"]),
            "documents": self.some(documents),
            "excluded_documents": self.some(documents),
            "published_from": DAY + timedelta(days=self.random.randrange(60)),
            "published_until": DAY + timedelta(days=self.random.randrange(40, 100)),
        }
        return Filters(
            **{name: choices[name] for name in self.random.sample(sorted(choices), self.random.randrange(4))}
        )

    def some(self, values: list[str]) -> tuple[str, ...]:
        return tuple(self.random.sample(values, self.random.randint(1, len(values))))


def ranking(passages: Sequence[Passage]) -> list[float]:
    """Scores in order: passages that share a score may come in any order."""
    return [round(passage.score, 5) for passage in passages]


def above_the_last_score(passages: Sequence[Passage]) -> dict[str, Any]:
    """All scores of every passage that cannot be exchanged for another of equal score just below the cut."""
    last = round(passages[-1].score, 5) if passages else 0.0
    return {
        passage.chunk_id: pytest.approx((passage.score, passage.similarity, passage.bm25 or 0.0), abs=1e-4)
        for passage in passages
        if round(passage.score, 5) > last
    }


def told(passages: Sequence[Passage], identities: Iterable[str]) -> dict[str, tuple[float | None, ...]]:
    """All scores of the named passages."""
    scores = {passage.chunk_id: (passage.score, passage.similarity, passage.bm25 or 0.0) for passage in passages}
    return {identity: scores[identity] for identity in identities}


def same_everywhere(answers: Iterable[object]) -> None:
    first, *others = answers
    assert all(other == first for other in others)


def same_answers(indexes: Sequence[VectorIndex], world: World, questions: int) -> None:
    for _ in range(questions):
        question, vector, filters = " ".join(world.random.choices(WORDS, k=3)), world.vector(), world.filters()
        found = [index.search(question, vector, 6, filters=filters) for index in indexes]
        assert [ranking(passages) for passages in found[1:]] == [ranking(passages) for passages in found[:-1]]
        expected = above_the_last_score(found[0])
        assert all(told(passages, expected) == expected for passages in found)
    same_everywhere(index.facets() for index in indexes)
    same_everywhere(index.count() for index in indexes)
    same_everywhere(index.neighbours([Span("doc-3", 1, 0, 30), Span("doc-4", 1, 10, 99)]) for index in indexes)


def outcome(report: PublishReport) -> tuple[object, ...]:
    """What is the same of a report on every engine: all but names."""
    figures = (report.added, report.changed, report.removed, report.unchanged, report.total, report.data_version)
    return (*figures, report.held is None, report.superseded is None)


@pytest.mark.parametrize("seed", range(3))
def test_engines_agree_through_random_publications_and_rollbacks(seed: int, tmp_path: Path):
    world = World(seed)
    indexes = [make(engine, tmp_path) for engine in engines()]
    world.add(40)
    for step in range(6):
        schema, force = "s1" if step < 3 else "s2", world.random.random() < 0.5
        wanted = world.wanted
        same_everywhere(outcome(index.publish(wanted, world.load, schema=schema, force=force)) for index in indexes)
        same_answers(indexes, world, 8)
        if step and world.random.random() < 0.6:
            for index in indexes:
                index.rollback()
            same_answers(indexes, world, 4)
            force = world.random.random() < 0.5
            same_everywhere(outcome(index.publish(wanted, world.load, schema=schema, force=force)) for index in indexes)
            same_answers(indexes, world, 4)
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
        assert (passage.revision, passage.ordinal) == (1, chunk.ordinal)
        assert passage.published_at == chunk.published_at
        assert passage.similarity == pytest.approx(float(vector @ question), abs=1e-5)


def test_words_find_what_vectors_do_not(index: VectorIndex):
    world = World(8)
    world.add(30)
    index.publish(world.wanted, world.load, schema="s")
    target, vector = world.chunks[sorted(world.chunks)[3]]
    name = target.text.split()[-1]
    assert target.id in {passage.chunk_id for passage in index.search(name, -vector, 2)}


def test_the_bm25_score_is_told_of_passages_with_the_words_and_of_no_others(index: VectorIndex):
    world = World(16)
    world.add(30)
    index.publish(world.wanted, world.load, schema="s")
    target, vector = world.chunks[sorted(world.chunks)[3]]
    name = target.text.split()[-1]
    found = {passage.chunk_id: passage.bm25 for passage in index.search(name, vector, 30)}
    assert (found.pop(target.id) or 0) > 0
    assert set(found.values()) == {None}


def test_of_two_passages_the_one_with_the_rarer_word_scores_higher(index: VectorIndex):
    world = World(17)
    world.add(30)
    index.publish(world.wanted, world.load, schema="s")
    target = world.chunks[sorted(world.chunks)[0]][0]
    passages = index.search(f"garden {target.text.split()[-1]}", world.vector(), 60)
    scores = {passage.chunk_id: passage.bm25 or 0 for passage in passages}
    assert max(scores, key=lambda identity: scores[identity]) == target.id


def test_both_rankings_come_back_whole_when_asked_to_their_depth(index: VectorIndex):
    world = World(18)
    world.add(60)
    index.publish(world.wanted, world.load, schema="s")
    question = world.vector()
    found = {passage.chunk_id for passage in index.search("river", question, 20, depth=10)}
    everything = index.search("river", question, 200, depth=100)
    assert len(everything) == 60
    by_meaning = sorted(everything, key=lambda passage: -(passage.similarity or 0))[:10]
    by_words = sorted(everything, key=lambda passage: -(passage.bm25 or 0))[:10]
    assert found == {passage.chunk_id for passage in [*by_meaning, *by_words]}


def test_neighbours_are_the_passages_of_a_document_in_order(index: VectorIndex):
    world = World(19)
    world.add(40)
    index.publish(world.wanted, world.load, schema="s")
    ordinals = sorted(chunk.ordinal for chunk, _ in world.chunks.values() if chunk.document_id == "doc-2")
    spans = [Span("doc-2", 1, -3, 99), Span("doc-2", 1, ordinals[1], ordinals[1]), Span("doc-2", 2, 0, 99)]
    everything, one, other_revision = index.neighbours([*spans])
    assert [passage.ordinal for passage in everything] == ordinals
    assert [passage.ordinal for passage in one] == [ordinals[1]]
    assert other_revision == []
    assert index.neighbours([]) == []


def test_vectors_are_those_that_were_published(index: VectorIndex):
    world = World(20)
    world.add(5)
    index.publish(world.wanted, world.load, schema="s")
    *some, last = world.chunks
    found = index.vectors([*some, chunk_id("nowhere", 1, 1)])
    assert set(found) == set(some)
    for identity, vector in found.items():
        assert vector.dtype == np.float32
        assert vector == pytest.approx(world.chunks[identity][1], abs=1e-6)
    assert index.vectors([last])


def test_facets_count_passages_by_value_and_span_the_dates(index: VectorIndex):
    world = World(21)
    world.add(50)
    index.publish(world.wanted, world.load, schema="s")
    chunks = [chunk for chunk, _ in world.chunks.values()]
    facets = index.facets()
    assert facets.authors == Counter(chunk.author for chunk in chunks)
    assert facets.kinds == Counter(chunk.kind for chunk in chunks)
    assert facets.platforms == Counter(chunk.platform for chunk in chunks)
    assert facets.languages == Counter(chunk.language for chunk in chunks if chunk.language)
    dates = [chunk.published_at for chunk in chunks if chunk.published_at]
    assert (facets.published_from, facets.published_until) == (min(dates), max(dates))
    assert [*facets.kinds.values()] == sorted(facets.kinds.values(), reverse=True)


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
    found = index.search("garden", world.vector(), 60, filters=Filters(authors=("Ada",), published_from=middle))
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


def test_two_publications_within_one_schema_can_be_rolled_back(index: VectorIndex):
    world = World(22)
    world.add(20)
    question, vector, seen = "garden river", world.vector(), []
    for _ in range(3):
        report = index.publish(world.wanted, world.load, schema="s")
        seen.append((report.generation, index.search(question, vector, 30)))
        world.remove(3)
        world.change(4)
        world.add(5)
    for generation, passages in reversed(seen[:-1]):
        assert index.rollback() == generation == index.generation()
        found = index.search(question, vector, 30)
        assert ranking(found) == ranking(passages)
        assert {passage.chunk_id for passage in found} == {passage.chunk_id for passage in passages}
    with pytest.raises(IndexUnavailable, match="to go back to"):
        index.rollback()


def test_what_was_rolled_back_from_is_published_again_by_force_only(index: VectorIndex):
    world = World(23)
    world.add(10)
    first = index.publish(world.wanted, world.load, schema="s")
    world.change(2)
    second = index.publish(world.wanted, world.load, schema="s")
    index.rollback()
    world.asked = []
    held = index.publish(world.wanted, world.load, schema="s")
    assert (held.generation, held.held, held.data_version) == (first.generation, second.generation, first.data_version)
    assert (held.added, held.changed, held.removed, held.total, world.asked) == (0, 0, 0, 10, [])
    assert index.status().held == second.generation
    forced = index.publish(world.wanted, world.load, schema="s", force=True)
    assert (forced.generation, forced.changed, forced.held) == (second.generation, 2, None)
    assert (index.generation(), index.status().held) == (second.generation, None)


def test_other_passages_end_a_rollback_and_say_so(index: VectorIndex):
    world = World(24)
    world.add(10)
    index.publish(world.wanted, world.load, schema="s")
    world.change(2)
    second = index.publish(world.wanted, world.load, schema="s")
    index.rollback()
    world.add(1)
    third = index.publish(world.wanted, world.load, schema="s")
    assert (third.superseded, third.held, third.added, third.changed) == (second.generation, None, 1, 2)
    assert index.status().held is None
    assert index.publish(world.wanted, world.load, schema="s").superseded is None
    assert index.count() == 11


def test_a_rollback_over_a_change_of_schema_is_kept_as_well(index: VectorIndex):
    world = World(25)
    world.add(10)
    index.publish(world.wanted, world.load, schema="s1")
    second = index.publish(world.wanted, world.load, schema="s2")
    index.rollback()
    assert index.publish(world.wanted, world.load, schema="s2").held == second.generation
    assert index.publish(world.wanted, world.load, schema="s2", force=True).generation == second.generation
    assert index.count() == 10


def test_a_named_generation_can_be_gone_back_to(index: VectorIndex):
    world = World(26)
    world.add(5)
    names = []
    for _ in range(3):
        names.append(index.publish(world.wanted, world.load, schema="s").generation)
        world.add(1)
    with pytest.raises(UnknownName, match="holds no"):
        index.rollback("nothing")
    assert index.rollback(names[0]) == names[0] == index.generation()
    assert index.count() == 5


def test_the_status_lists_what_is_kept_oldest_first(index: VectorIndex):
    assert index.status().generations == []
    world = World(27)
    reports = []
    for _ in range(2):
        world.add(3)
        reports.append(index.publish(world.wanted, world.load, schema="model"))
    status = index.status()
    assert status.generation == reports[1].generation
    assert [(kept.name, kept.passages, kept.live) for kept in status.generations] == [
        (reports[0].generation, 3, False),
        (reports[1].generation, 6, True),
    ]
    assert [kept.data_version for kept in status.generations] == [report.data_version for report in reports]
    assert all(kept.schema.endswith("model") for kept in status.generations)
    assert (status.held, status.problem) == (None, None)


def test_after_a_failed_publication_a_rollback_still_goes_back_by_one(index: VectorIndex):
    world = World(28)
    world.add(8)
    first = index.publish(world.wanted, world.load, schema="s")
    before = index.search("garden", question := world.vector(), 20)
    world.change(3)
    index.publish(world.wanted, world.load, schema="s")
    world.change(5)
    world.remove(1)
    world.add(300)

    def fail_half_way(identities: Sequence[str]) -> Iterator[tuple[Chunk, np.ndarray]]:
        yield from world.load(identities)[:290]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        index.publish(world.wanted, fail_half_way, schema="s")
    assert index.rollback() == first.generation
    after = index.search("garden", question, 20)
    assert ranking(after) == ranking(before)
    assert {passage.chunk_id for passage in after} == {passage.chunk_id for passage in before}
    world.add(1)
    assert index.publish(world.wanted, world.load, schema="s").total == index.count() == len(world.chunks)


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
