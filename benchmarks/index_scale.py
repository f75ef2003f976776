"""The index in process at scale: searches beside the bare engine's, small publications, and memory.

    python benchmarks/index_scale.py [--passages 200000] [--rounds 5] [--root FOLDER]

The passages are made up: words with the frequencies of running text, vectors in 500 clusters, ten passages a document,
ten authors. A FOLDER is kept, and found again by the next run, which then skips the full publication.

`bare` is the engine's own fused query on the same shard, without this project's code, and without the scores of the two
rankings. `search` is `VectorIndex.search` without the question's embedding. A publication changes 1% of the passages,
while another process searches without pause; `while publishing` is what it sees, the switch to each new generation
included. Times of making the passages up are left out.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from support import machine, save, table
from support.many_passages import DIMENSIONS, Corpus, document_of

from twin.features.index import EVERYTHING, Filters, engine, points
from twin.features.index.edge import EdgeIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.synchronize import Event

    from support.many_passages import Question

K = 10
QUESTIONS = 400
CLIENTS = 16
ROUNDS = 3
"""Searches are measured this often; the best round counts, for other work on the machine only ever slows them."""
COLUMNS = ["filter", "bare p50 ms", "p99", "search p50 ms", "p99", "bare processor ms", "search", "search / bare"]


FILTERS = {
    "no filter": Filters(),
    "author (10%)": Filters(authors=("Author 3",)),
    "two authors, kind (7%)": Filters(authors=("Author 3", "Author 4"), kinds=("post",)),
    "published in six weeks": Filters(
        published_from=datetime(2020, 2, 1, tzinfo=UTC), published_until=datetime(2020, 3, 14, tzinfo=UTC)
    ),
    "ten documents": Filters(documents=tuple(document_of(n) for n in range(0, 1000, 100))),
    "all but ten documents": Filters(excluded_documents=tuple(document_of(n) for n in range(0, 1000, 100))),
}


def main() -> int:
    options = _options()
    with contextlib.ExitStack() as stack:
        root = options.root or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        result = measure(root / "index", options.passages, options.rounds)
    print(save("index_scale", result, tables(result)))
    return 0


def measure(root: Path, passages: int, rounds: int) -> dict[str, Any]:
    corpus, index = Corpus(passages), EdgeIndex(root, dimensions=DIMENSIONS)
    random = np.random.default_rng(7)
    questions = [corpus.question(random) for _ in range(QUESTIONS)]
    result: dict[str, Any] = {"machine": {**machine(), "load": os.getloadavg()[0]}, "passages": passages}
    if index.generation() is None:
        result["full publication"] = _publish(index, corpus)
        mark = 0
    else:
        mark = corpus.adopt(index._generations.points(index.generation() or ""))
    index.close()
    result["before"] = _searches(root, questions)
    result["publications of 1%"], result["search while publishing"] = _publications(root, corpus, mark, rounds)
    result["after"] = _searches(root, questions)
    result["disk_mb"] = {path.name: _megabytes(path) for path in sorted((root / "generations").iterdir())}
    return result


def _publish(index: EdgeIndex, corpus: Corpus) -> dict[str, float]:
    made, made_cpu, cpu, started = corpus.seconds, corpus.cpu_seconds, time.process_time(), time.perf_counter()
    report = index.publish(corpus.wanted, corpus.load, schema="benchmark")
    return {
        "passages": report.added + report.changed,
        "seconds": time.perf_counter() - started - (corpus.seconds - made),
        "cpu_seconds": time.process_time() - cpu - (corpus.cpu_seconds - made_cpu),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }


def _searches(root: Path, questions: Sequence[Question]) -> dict[str, Any]:
    """What one process that only searches sees and needs."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_search_alone, (root, questions))


def _search_alone(root: Path, questions: Sequence[Question]) -> dict[str, Any]:
    index = EdgeIndex(root, dimensions=DIMENSIONS)
    before = _resident()
    opening = _seconds(lambda: _ask(index, questions[0]))
    shard = index._live.get().shard  # the engine alone, without this project's code around it
    found: dict[str, Any] = {"first_search_s": opening, "segments": shard.info().segments_count, "searches": {}}
    for name, filters in FILTERS.items():
        requests = [_bare(*question, filters) for question in questions]
        bare = _best(lambda requests=requests: _percentiles(shard.query, requests))
        search = _best(lambda filters=filters: _percentiles(lambda asked: _ask(index, asked, filters), questions))
        found["searches"][name] = {"bare": bare, "search": search, "search_to_bare": search["p50"] / bare["p50"]}
    for clients in (1, CLIENTS):
        found[f"queries_per_s_{clients}"] = max(_rate(index, questions, clients) for _ in range(ROUNDS))
    found["index_mb"] = _resident() - before
    found["facets_ms"] = _seconds(index.facets) * 1e3
    return found


def _publications(root: Path, corpus: Corpus, mark: int, rounds: int) -> tuple[list[dict[str, float]], dict[str, Any]]:
    """Publications of 1%, and what a process that searches without pause sees meanwhile."""
    context, index = multiprocessing.get_context("spawn"), EdgeIndex(root, dimensions=DIMENSIONS)
    random = np.random.default_rng(8)
    questions = [corpus.question(random) for _ in range(QUESTIONS)]
    with context.Manager() as manager, context.Pool(1) as pool:
        ready, done = manager.Event(), manager.Event()
        searching = pool.apply_async(_search_on, (root, questions, ready, done))
        ready.wait()
        published = []
        for number in range(mark + 1, mark + 1 + rounds):
            corpus.change(0.01, number)
            published.append(_publish(index, corpus))
        done.set()
        return published, searching.get()


def _search_on(root: Path, questions: Sequence[Question], ready: Event, done: Event) -> dict[str, Any]:
    index, times, generations = EdgeIndex(root, dimensions=DIMENSIONS), [], set()
    _ask(index, questions[0])
    ready.set()
    while not done.is_set():
        for question in questions[:50]:
            times.append(_seconds(lambda question=question: _ask(index, question)) * 1e3)
            generations.add(index.generation())
    return {**_summary(times), "max": max(times), "searches": len(times), "generations": len(generations)}


def _ask(index: EdgeIndex, question: Question, filters: Filters = EVERYTHING) -> None:
    text, vector = question
    index.search(text, vector, K, filters=filters)


def _bare(text: str, vector: np.ndarray, filters: Filters) -> Any:
    from qdrant_edge import Fusion, Prefetch, Query, QueryRequest

    condition, depth = engine.filter_of(filters), points.candidates(K)
    words = Query.Nearest(points.bm25().embed_query(text), using=points.SPARSE)
    meaning = Query.Nearest(vector.tolist(), using=points.DENSE)
    prefetches = [Prefetch(limit=depth, query=query, filter=condition) for query in (meaning, words)]
    fusion: Any = Fusion.Rrf(k=points.RRF_K)
    return QueryRequest(limit=K, query=fusion, prefetches=prefetches, with_payload=True)


def _rate(index: EdgeIndex, questions: Sequence[Question], clients: int) -> float:
    with ThreadPoolExecutor(clients) as pool:
        return len(questions) / _seconds(lambda: list(pool.map(lambda asked: _ask(index, asked), questions)))


def _percentiles(operation: Callable[[Any], object], inputs: Sequence[Any]) -> dict[str, float]:
    """Milliseconds of the operation over the inputs, each once; and of the processor, on average."""
    cpu = time.process_time()
    times = [_seconds(lambda value=value: operation(value)) * 1e3 for value in inputs]
    return {**_summary(times), "cpu": (time.process_time() - cpu) / len(inputs) * 1e3}


def _summary(times: Sequence[float]) -> dict[str, float]:
    return {"p50": float(np.percentile(times, 50)), "p99": float(np.percentile(times, 99))}


def _best(measured: Callable[[], dict[str, float]]) -> dict[str, float]:
    return min((measured() for _ in range(ROUNDS)), key=lambda times: times["p99"])


def _seconds(operation: Callable[[], object]) -> float:
    started = time.perf_counter()
    operation()
    return time.perf_counter() - started


def _resident() -> float:
    """This process's memory in MB."""
    pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file()) / 1e6


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--passages", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5, help="publications of 1%%")
    parser.add_argument("--root", type=Path, help="where the index is kept; default: a temporary folder")
    return parser.parse_args()


def tables(result: dict[str, Any]) -> str:
    """The figures as markdown."""
    full, during = result.get("full publication"), result["search while publishing"]
    publications = [
        [
            what,
            f"{one['passages']:,}",
            *(f"{one[name]:.1f}" for name in ("seconds", "cpu_seconds")),
            f"{one['peak_mb']:.0f}",
        ]
        for what, one in [
            *([("all", full)] if full else []),
            *((f"1%, number {number}", one) for number, one in enumerate(result["publications of 1%"], start=1)),
        ]
    ]
    parts = [
        f"{result['passages']:,} passages of 120 words, {DIMENSIONS} dimensions; the machine's load was "
        f"{result['machine']['load']:.1f} at the start.",
        table(["publication", "passages", "seconds", "processor seconds", "peak MB"], publications),
        f"Searching without pause in another process while the 1% were published ({during['searches']:,} searches, "
        f"{during['generations']} generations): p50 {during['p50']:.1f} ms, p99 {during['p99']:.1f} ms, "
        f"longest {during['max']:.0f} ms.",
    ]
    for when in ("before", "after"):
        measured = result[when]
        parts.append(
            f"Searching {when} the publications of 1% ({measured['segments']} segments): first search after "
            f"{measured['first_search_s']:.2f} s, {measured['index_mb']:.0f} MB, "
            f"{measured['queries_per_s_1']:.0f} queries/s with one client, "
            f"{measured[f'queries_per_s_{CLIENTS}']:.0f} with {CLIENTS}, facets in {measured['facets_ms']:.0f} ms."
        )
        parts.append(table(COLUMNS, [_row(name, times) for name, times in measured["searches"].items()]))
    return "\n\n".join(parts)


def _row(name: str, times: dict[str, Any]) -> list[str]:
    bare, search = times["bare"], times["search"]
    figures = (bare["p50"], bare["p99"], search["p50"], search["p99"], bare["cpu"], search["cpu"])
    return [name, *(f"{figure:.2f}" for figure in figures), f"{times['search_to_bare']:.2f}"]


if __name__ == "__main__":
    sys.exit(main())
