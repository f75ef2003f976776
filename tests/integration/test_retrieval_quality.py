"""The hybrid is better than each of its halves on real questions, and no real question loses its answer to a filter."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from twin.evaluation.retrieval import DEPTH, Question, evaluate
from twin.evaluation.rivals import BM25, DENSE, rivals
from twin.features import chunking, embedding
from twin.features.index.edge import EdgeIndex
from twin.records import CleanedDocument, content_hash, document_id
from twin.retrieval.ranking import IndexOrder
from twin.retrieval.relevance import relevant
from twin.retrieval.retriever import Retriever
from twin.retrieval.understanding import Known, understand
from twin.settings import EmbeddingSettings, RagSettings, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.features.embedding import Embedder

XQUAD = Path(os.environ.get("TWIN_CORPORA", Path(__file__).resolve().parents[3] / "shared" / "corpora")) / "xquad-en"
PARAGRAPHS = 60
pytestmark = pytest.mark.skipif(not XQUAD.is_dir(), reason=f"no XQuAD in {XQUAD}")


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (XQUAD / name).read_text("utf-8").splitlines()]


class Part(NamedTuple):
    """The first paragraphs of XQuAD in an index, with their questions and some of other paragraphs."""

    index: EdgeIndex
    embedder: Embedder
    questions: list[Question]
    others: list[str]


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    embedder = embedding.load(read(EmbeddingSettings))
    documents = [
        CleanedDocument(
            id=document_id(row["url"]),
            url=row["url"],
            source_id="test",
            author=row["author"],
            title=row["title"],
            content=row["content"],
            raw_hash=content_hash(row["content"]),
        )
        for row in rows("documents.jsonl")[:PARAGRAPHS]
    ]
    chunks = [chunk for document in documents for chunk in chunking.split(document, embedder)]
    vectors = embedder.embed([chunk.embedding_text for chunk in chunks])
    points = {chunk.id: (chunk, vector) for chunk, vector in zip(chunks, vectors, strict=True)}
    index = EdgeIndex(tmp_path_factory.mktemp("index"), dimensions=embedder.dimensions)
    index.publish(dict.fromkeys(points, "1"), lambda keys: [points[key] for key in keys], schema="test")
    ids = {document_id(f"xquad://{row['id']}") for row in rows("documents.jsonl")[:PARAGRAPHS]}
    asked = [(row["question"], document_id(f"xquad://{row['document']}")) for row in rows("questions.jsonl")]
    questions = [Question(text=text, relevant=frozenset({document})) for text, document in asked if document in ids]
    yield Part(index, embedder, questions, [text for text, document in asked if document not in ids][:100])
    index.close()


def test_search_beats_meaning_alone_words_alone_and_the_engines_own_order(part: Part) -> None:
    retriever = Retriever(lambda: part.embedder, lambda: part.index)
    plain = Retriever(lambda: part.embedder, lambda: part.index, reranker=IndexOrder())
    searched = evaluate(part.questions, lambda text, _: retriever.search(text, DEPTH))
    fused = evaluate(part.questions, lambda text, _: plain.search(text, DEPTH))
    alone = {
        name: evaluate(part.questions, search) for name, search in rivals(part.embedder, part.index, DEPTH).items()
    }
    best = max(alone[DENSE].mrr, alone[BM25].mrr)
    assert searched.questions > 200
    assert searched.mrr > best + 0.15 * (1 - best)
    assert searched.mrr > fused.mrr > min(alone[DENSE].mrr, alone[BM25].mrr)
    assert searched.recall[10] >= max(alone[DENSE].recall[10], alone[BM25].recall[10])


def test_what_is_in_the_index_is_relevant_and_what_is_not_mostly_is_not(part: Part) -> None:
    retriever, settings = Retriever(lambda: part.embedder, lambda: part.index), read(RagSettings)

    def refused(texts: list[str]) -> float:
        found = [retriever.search(text, settings.top_k) for text in texts]
        return float(np.mean([not relevant(passages, settings.min_relevance) for passages in found]))

    assert refused([question.text for question in part.questions[:100]]) <= 0.05
    assert refused(part.others) >= 0.75


def test_no_question_of_xquad_is_taken_to_ask_for_an_author_a_time_or_a_place() -> None:
    known = Known(
        authors=("Wikipedia", "Paul Iusztin", "Maxime Labonne", "Martin Keen", "Victoria Albert", "The LLM Twin Team"),
        platforms=("medium.com", "substack.com", "github.com", "youtube.com"),
        kinds=("article", "post", "repository"),
        published_from=datetime(1400, 1, 1, tzinfo=UTC),
        published_until=datetime(2026, 11, 1, tzinfo=UTC),
    )
    now = datetime(2026, 11, 24, tzinfo=UTC)
    assert [
        row["question"] for row in rows("questions.jsonl") if understand(row["question"], known, now=now).mentions
    ] == []
