"""How long a search takes, and what of it is the embedding model and what the engine.

    python benchmarks/retrieval_speed.py [FOLDER]

FOLDER holds `documents.jsonl` and `questions.jsonl`, with fields as in XQuAD's English part; the default is
../shared/corpora/xquad-en.
The yardsticks: `engine` is Qdrant's own query without this project's code; `search` is `VectorIndex.search`; `whole` is
embedding the question and searching, which is what `/search` does. Sizes above the corpus are filled up with random
vectors and the corpus's own words.
"""

from __future__ import annotations

import itertools
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from twin.evaluation.retrieval import Question, evaluate
from twin.features import chunking, embedding
from twin.features.index import Filters
from twin.features.index import points as stored
from twin.features.index.edge import EdgeIndex
from twin.records import Chunk, CleanedDocument, chunk_id, content_hash, document_id
from twin.settings import EmbeddingSettings, read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "shared" / "corpora" / "xquad-en"
LARGE = 5_000
RUNS = 200
K = 10
Points = dict[str, tuple[Chunk, np.ndarray]]


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_FOLDER
    if not (folder / "documents.jsonl").exists():
        print(f"Skipped: no documents.jsonl in {folder}. Give a folder with documents.jsonl and questions.jsonl.")
        return 0
    embedder = embedding.load(read(EmbeddingSettings))
    loading = _seconds(embedder.warm_up)
    documents = [_document(row) for row in _rows(folder / "documents.jsonl")]
    chunks, chunk_seconds = _timed(lambda: [chunk for row in documents for chunk in chunking.split(row, embedder)])
    vectors, embed_seconds = _timed(lambda: embedder.embed([chunk.embedding_text for chunk in chunks]))
    points: Points = {chunk.id: (chunk, vector) for chunk, vector in zip(chunks, vectors, strict=True)}
    questions = _questions(folder / "questions.jsonl", {document.title: document.id for document in documents})
    asked = [question.text for question in questions[:RUNS]]
    result: dict[str, Any] = {
        "model_loading_s": loading,
        "chunking_mb_per_s": sum(len(document.content) for document in documents) / 1e6 / chunk_seconds,
        "embedding_passages_per_s": len(chunks) / embed_seconds,
        "embed_question_ms": _percentiles(lambda text: embedder.embed([text]), asked),
    }
    for name, sized in (("corpus", points), ("large", _filled_up(points, LARGE))):
        result[name] = _measure(sized, embedder, asked)
    result["quality"] = _quality(points, embedder, questions)
    _print_table(result)
    print(json.dumps(result))
    return 0


def _measure(points: Points, embedder: embedding.Embedder, asked: Sequence[str]) -> dict[str, Any]:
    """Publishing and searching one index of the given points."""
    vectors = dict(zip(asked, embedder.embed(asked), strict=True))
    with tempfile.TemporaryDirectory() as root:
        index = EdgeIndex(Path(root), dimensions=embedder.dimensions)
        wanted = dict.fromkeys(points, "1")
        publish = _seconds(lambda: _publish(index, points, wanted))
        one_changed = _seconds(lambda: _publish(index, points, {**wanted, min(points): "2"}))
        reopened = _seconds(lambda: index.search(asked[0], vectors[asked[0]], K))
        shard = index._reader().shard  # the engine alone, without this project's code around it
        engine = _percentiles(lambda request: shard.query(request), [_request(text, vectors[text]) for text in asked])
        search = _percentiles(lambda text: index.search(text, vectors[text], K), asked)
        whole = _percentiles(lambda text: index.search(text, embedder.embed([text])[0], K), asked)
        index.close()
    return {
        "passages": len(points),
        "publish_s": publish,
        "publish_one_change_s": one_changed,
        "first_search_of_a_generation_ms": reopened * 1e3,
        "engine_ms": engine,
        "search_ms": search,
        "whole_ms": whole,
        "search_to_engine": search["p50"] / engine["p50"],
    }


def _publish(index: EdgeIndex, points: Points, wanted: dict[str, str]) -> None:
    index.publish(wanted, lambda identities: [points[identity] for identity in identities], schema="benchmark")


def _request(text: str, vector: np.ndarray) -> Any:
    from qdrant_edge import Fusion, Prefetch, Query, QueryRequest

    rankings = [Query.Nearest(vector.tolist(), using=stored.DENSE)]
    rankings.append(Query.Nearest(stored.bm25().embed_query(text), using=stored.SPARSE))
    prefetches = [Prefetch(limit=stored.candidates(K), query=ranking) for ranking in rankings]
    fusion: Any = Fusion.Rrf(k=stored.RRF_K)
    return QueryRequest(limit=K, query=fusion, prefetches=prefetches, with_payload=True)


def _quality(points: Points, embedder: embedding.Embedder, questions: Sequence[Question]) -> dict[str, float | int]:
    vectors = dict(zip([q.text for q in questions], embedder.embed([q.text for q in questions]), strict=True))
    with tempfile.TemporaryDirectory() as root:
        index = EdgeIndex(Path(root), dimensions=embedder.dimensions)
        _publish(index, points, dict.fromkeys(points, "1"))
        scores = evaluate(
            questions, lambda text, author: index.search(text, vectors[text], K, filters=Filters.of(author))
        )
        index.close()
    return scores.as_metadata()


def _filled_up(points: Points, size: int) -> Points:
    """The points, and as many made-up ones as it takes to have `size`."""
    words = sorted({word for chunk, _ in points.values() for word in chunk.text.split()})
    template, chosen = next(iter(points.values()))[0], random.Random(0)
    random_vectors = np.random.default_rng(0)
    filled = dict(points)
    for number in itertools.count():
        if len(filled) >= size:
            return filled
        identity = chunk_id("filler", 1, number)
        vector = random_vectors.normal(size=len(next(iter(points.values()))[1])).astype(np.float32)
        text = " ".join(chosen.choices(words, k=130))
        filled[identity] = msgspec.structs.replace(template, id=identity, text=text), vector / np.linalg.norm(vector)
    raise AssertionError("unreachable")


def _document(row: dict[str, Any]) -> CleanedDocument:
    return CleanedDocument(
        id=document_id(row["url"]),
        url=row["url"],
        source_id="benchmark",
        author=row["author"],
        title=row["id"],
        content=row["content"],
        raw_hash=content_hash(row["content"]),
    )


def _questions(path: Path, documents: dict[str, str]) -> list[Question]:
    rows = _rows(path)
    return [Question(text=row["question"], relevant=frozenset([documents[row["document"]]])) for row in rows]


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _percentiles(operation: Callable[[Any], object], inputs: Sequence[Any]) -> dict[str, float]:
    """Milliseconds of the operation over the inputs, each once, after a warm-up."""
    operation(inputs[0])
    times = [_seconds(lambda value=value: operation(value)) * 1e3 for value in inputs]
    return {"p50": float(np.percentile(times, 50)), "p99": float(np.percentile(times, 99))}


def _seconds(operation: Callable[[], object]) -> float:
    return _timed(operation)[1]


def _timed(operation: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    value = operation()
    return value, time.perf_counter() - started


def _print_table(result: dict[str, Any]) -> None:
    question = result["embed_question_ms"]
    print(f"embed one question        p50 {question['p50']:7.2f} ms   p99 {question['p99']:7.2f} ms")
    for name in ("corpus", "large"):
        sized = result[name]
        print(
            f"{sized['passages']} passages, published in {sized['publish_s']:.2f} s, one change in "
            f"{sized['publish_one_change_s']:.2f} s"
        )
        for part in ("engine", "search", "whole"):
            times = sized[f"{part}_ms"]
            print(f"  {part:<22}  p50 {times['p50']:7.2f} ms   p99 {times['p99']:7.2f} ms")
        print(f"  search / engine         {sized['search_to_engine']:.2f}")
    print(f"embedding                 {result['embedding_passages_per_s']:.1f} passages/s")
    print(f"chunking                  {result['chunking_mb_per_s']:.2f} MB/s")
    for name, value in result["quality"].items():
        print(f"{name:<24}  {value:.3f}")


if __name__ == "__main__":
    sys.exit(main())
