"""The verdict: what is near enough to answer from, what is only near, and what is nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from msgspec.structs import replace

from twin.records import Passage
from twin.retrieval.footing import Footing, Footings, measure
from twin.retrieval.probes import PROBES
from twin.retrieval.verdict import Ruling, Sighting, rule, sighting, worth_showing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FOOTING = Footing(level=0.2, spread=0.08)


def passage(text: str, similarity: float | None, *, bm25: float | None = None, relevance: float = 0.0) -> Passage:
    return Passage(
        chunk_id=text,
        document_id="d",
        text=text,
        heading_path=[],
        title="T",
        url="u",
        author="Ada",
        score=1.0,
        similarity=similarity,
        bm25=bm25,
        relevance=relevance,
    )


class Embedder:
    """Vectors by chance: a model that sees no two texts alike."""

    name = "chance"

    def __init__(self) -> None:
        self.calls = 0

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self.calls += 1
        found = np.random.default_rng(len(texts)).normal(size=(len(texts), 8))
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


class Index:
    def __init__(self, similarity: float | None = 0.25) -> None:
        self.similarity = similarity
        self.asked = 0

    def search(self, text: str, vector: np.ndarray, k: int) -> list[Passage]:
        assert (text, k) == ("", 1)
        self.asked += 1
        return [] if self.similarity is None else [passage("p", self.similarity)]


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (Sighting(similarity=0.5, words=0.0), "answer"),
        (Sighting(similarity=0.36, words=0.4), "answer"),
        (Sighting(similarity=0.3, words=0.0), "nearest"),
        (Sighting(similarity=0.2, words=0.4), "nothing"),
        (Sighting(similarity=0.5, words=0.9, unseen=["Slack"]), "nearest"),
        (Sighting(similarity=None, words=0.0), "nothing"),
    ],
)
def test_cosine_first_and_words_where_it_is_unsure(seen: Sighting, verdict: str) -> None:
    ruling = rule(seen, FOOTING, least=0.65)
    assert ruling is not None
    assert ruling.verdict == verdict


def test_without_a_footing_nothing_is_ruled() -> None:
    assert rule(Sighting(similarity=0.9, words=1.0), None, least=0.65) is None


def test_another_model_with_other_cosines_decides_alike() -> None:
    crowded = Footing(level=0.80, spread=0.02)
    for height in (0.0, 1.0, 1.5, 3.0):
        ours, theirs = (
            rule(Sighting(similarity=one.cosine(height), words=0.2), one, least=0.65) for one in (FOOTING, crowded)
        )
        assert ours
        assert theirs
        assert ours.verdict == theirs.verdict


def test_a_name_that_no_candidate_holds_is_told_but_not_an_author_s() -> None:
    found = [passage("Qdrant searches by meaning.", 0.6, bm25=2.0)]
    question = "How do Qdrant and Pinecone compare for Grace?"
    assert sighting(question, found, indexed=10, known=["Grace Hopper"]).unseen == ["Pinecone"]


def test_the_nearest_passage_counts_wherever_it_stands() -> None:
    found = [passage(f"p{place}", 0.1 + 0.05 * place) for place in range(12)]
    assert sighting("what?", found, indexed=10).similarity == pytest.approx(0.65)


def test_what_is_shown_is_near_or_relevant_and_never_nothing_for_an_answer() -> None:
    near, relevant, far = passage("n", 0.5), passage("r", 0.1, relevance=0.9), passage("f", 0.1)
    ruling = Ruling(verdict="answer", least_similarity=0.4)
    assert worth_showing([near, relevant, far], ruling, 0.15) == [near, relevant]
    assert worth_showing([far], ruling, 0.15) == [far]
    assert worth_showing([far], ruling, 0.15, 0.3) == []
    assert worth_showing([near], replace(ruling, verdict="nothing"), 0.15) == []


def test_the_footing_is_measured_once_and_kept_for_the_next_process(tmp_path: Path) -> None:
    file, embedder, index = tmp_path / "cache" / "footings.json", Embedder(), Index()
    first = Footings(file)
    found = first.of(embedder, index, "g1")
    assert found is not None
    assert (found.level, index.asked) == (0.25, len(PROBES))
    assert first.of(embedder, index, "g1") == found
    assert Footings(file).of(embedder, index, "g1") == found
    assert (embedder.calls, index.asked) == (1, len(PROBES))
    first.of(embedder, index, "g2")
    assert (embedder.calls, index.asked) == (1, 2 * len(PROBES))


def test_a_broken_file_of_footings_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "f.json").write_bytes(b"\xff{")
    assert Footings(tmp_path / "f.json").of(Embedder(), Index(), "g") is not None


def test_an_empty_index_and_a_model_that_tells_nothing_apart_have_no_footing() -> None:
    assert measure(Embedder(), Index(None)) is None
    assert measure(Embedder(), Index(), np.ones((3, 2), np.float32)) is None
