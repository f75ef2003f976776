"""How good search is: every part alone, together, and reranked; what it costs; and whether it tells when nothing fits.

    python benchmarks/retrieval_quality.py [--corpora FOLDER] [--late-interaction]

XQuAD's paragraphs lie among the articles of the LLM Engineer's Handbook. Whatever was fitted was fitted on one half of
the paragraphs; the figures are of the other half, with bootstrap intervals of 95%. The questions about this project's
own pages are a second domain that nothing was fitted on. The latency is of the default search, against embedding the
question plus the engine's bare hybrid query, taken in turns in the same run; in its first round the words of every
passage are read for the first time.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from support import CORPORA, handbook, machine, save, table
from support.knowing import pages
from support.late_interaction import late_interaction
from support.rankings import BM25, DENSE, RANKINGS
from support.xquad import Laboratory, build, index_of, present

from twin.evaluation.intervals import bootstrap
from twin.evaluation.retrieval import DEPTH, Outcome, Question, evaluate, outcome, score
from twin.features import embedding
from twin.features.index import points
from twin.records import document_id
from twin.retrieval.relevance import relevant
from twin.retrieval.retriever import Retriever
from twin.settings import EmbeddingSettings, RagSettings, read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twin.features.embedding import Embedder
    from twin.records import Passage

HANDBOOK = Path(__file__).resolve().parent / "questions" / "handbook.json"
POOL = 50
"""How deep each of the two rankings is read for the rankings that are compared."""
TIMED, ROUNDS = 200, 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, default=CORPORA)
    parser.add_argument("--late-interaction", action="store_true", help="measure it too; takes some minutes")
    options = parser.parse_args()
    if not present(options.corpora):
        print(f"Skipped: {options.corpora} holds no xquad-en and llm-engineers-handbook; name it by --corpora.")
        return 0
    embedder = embedding.load(read(EmbeddingSettings))
    with tempfile.TemporaryDirectory(prefix="quality-") as folder:
        laboratory = build(options.corpora, Path(folder) / "xquad", embedder)
        result = {"machine": machine(), "xquad": _xquad(laboratory, late=options.late_interaction)}
        result["latency_ms"] = _latency(laboratory)
        laboratory.index.close()
        result["handbook"] = _handbook(Path(folder) / "handbook", embedder)
    print(save("retrieval_quality", result, _tables(result)))
    return 0


def _xquad(laboratory: Laboratory, *, late: bool) -> dict[str, dict[str, Any]]:
    """Every ranking on the report half, and how it compares with the better of the two that it is made of."""
    asked = [question for question in laboratory.questions if question.reported]
    pools = [
        laboratory.index.search(question.text, laboratory.vectors[question.text], 2 * POOL, depth=POOL)
        for question in asked
    ]
    found = {
        name: [ranking(question.text, pool) for question, pool in zip(asked, pools, strict=True)]
        for name, ranking in RANKINGS.items()
    }
    if late:
        found |= late_interaction(laboratory, asked, pools)
    retriever = Retriever(lambda: laboratory.embedder, lambda: laboratory.index)
    found["search, all of it"] = [retriever.search(question.text, DEPTH) for question in asked]
    questions = [Question(text=question.text, relevant=frozenset({question.document})) for question in asked]
    outcomes = {
        name: [outcome(*pair) for pair in zip(questions, ranked, strict=True)] for name, ranked in found.items()
    }
    best = max((DENSE, BM25), key=lambda name: score(outcomes[name]).mrr)
    yardstick = np.array([one.reciprocal_rank for one in outcomes[best]])
    return {name: _compared(ones, yardstick) for name, ones in outcomes.items()}


def _compared(outcomes: Sequence[Outcome], yardstick: np.ndarray) -> dict[str, Any]:
    scores = score(outcomes)
    ranks = np.array([one.reciprocal_rank for one in outcomes])
    gap = 1 - float(yardstick.mean())
    difference = bootstrap(list(ranks - yardstick))
    return {
        **scores.as_metadata(),
        "gap_closed": difference.mean / gap,
        "gap_closed_low": difference.low / gap,
        "gap_closed_high": difference.high / gap,
    }


def _latency(laboratory: Laboratory) -> dict[str, float]:
    """Median milliseconds of each part over the same questions, taken in turns; the best of some rounds for each.

    The embedder remembers questions, so each is asked with more blanks behind it than the time before.
    """
    texts = [question.text for question in laboratory.questions[:TIMED]]
    retriever = Retriever(lambda: laboratory.embedder, lambda: laboratory.index)
    shard = laboratory.index._live.get().shard  # the engine alone, without this project's code around it
    requests = {text: _bare_request(text, laboratory.vectors[text]) for text in texts}
    times = np.empty((ROUNDS, len(texts), 3))
    retriever.search("warm", DEPTH)
    for turn in range(ROUNDS):
        for place, text in enumerate(texts):
            blanks = " " * (2 * turn + 1)
            times[turn, place] = [
                _milliseconds(partial(laboratory.embedder.embed, [text + blanks])),
                _milliseconds(partial(shard.query, requests[text])),
                _milliseconds(partial(retriever.search, f"{text}{blanks} ", DEPTH)),
            ]
    embed, engine, search = np.median(times.min(axis=0), axis=0)
    ratios = [np.median(turn[:, 2]) / np.median(turn[:, 0] + turn[:, 1]) for turn in times]
    return {
        "embed": float(embed),
        "engine": float(engine),
        "search": float(search),
        "ratio": float(np.median(ratios)),
        "ratio at first sight": float(ratios[0]),
    }


def _milliseconds(operation: Callable[[], object]) -> float:
    started = time.perf_counter()
    operation()
    return (time.perf_counter() - started) * 1e3


def _bare_request(text: str, vector: np.ndarray) -> Any:
    from qdrant_edge import Fusion, Prefetch, Query, QueryRequest

    rankings = [Query.Nearest(vector.tolist(), using=points.DENSE)]
    rankings.append(Query.Nearest(points.bm25().embed_query(text), using=points.SPARSE))
    prefetches = [Prefetch(limit=points.candidates(DEPTH), query=ranking) for ranking in rankings]
    fusion: Any = Fusion.Rrf(k=points.RRF_K)
    return QueryRequest(limit=DEPTH, query=fusion, prefetches=prefetches, with_payload=True)


def _handbook(folder: Path, embedder: Embedder) -> dict[str, Any]:
    """This project's own pages: a second domain, in a reader's words, that nothing was fitted on."""
    asked = json.loads(HANDBOOK.read_text("utf-8"))
    index, _ = index_of(pages(handbook()), folder, embedder)
    retriever = Retriever(lambda: embedder, lambda: index)
    questions = [Question(text=text, relevant=frozenset({document_id(page)})) for text, page in asked["answered"]]
    pools = [index.search(one.text, embedder.embed([one.text])[0], 2 * POOL, depth=POOL) for one in questions]
    result: dict[str, Any] = {
        name: score(
            [outcome(one, ranking(one.text, pool)) for one, pool in zip(questions, pools, strict=True)]
        ).as_metadata()
        for name, ranking in RANKINGS.items()
    }
    result["search, all of it"] = evaluate(questions, lambda text, _: retriever.search(text, DEPTH)).as_metadata()
    shown = read(RagSettings).top_k
    told = {
        kind: [retriever.search(text, shown) for text in texts]
        for kind, texts in (("answered", [one.text for one in questions]), ("unanswered", asked["unanswered"]))
    }
    index.close()
    least = read(RagSettings).min_relevance
    result["refused"] = float(np.mean([not relevant(found, least) for found in told["answered"]]))
    result["let through"] = float(np.mean([bool(relevant(found, least)) for found in told["unanswered"]]))
    result["refused by cosine 0.28"] = float(np.mean([not _close(found) for found in told["answered"]]))
    result["let through by cosine 0.28"] = float(np.mean([_close(found) for found in told["unanswered"]]))
    return result


def _close(passages: Sequence[Passage]) -> bool:
    return any((passage.similarity or 0.0) >= 0.28 for passage in passages)


def _tables(result: dict[str, Any]) -> str:
    rankings = [name for name, row in result["handbook"].items() if isinstance(row, dict)]
    xquad = table(
        ["on XQuAD's report half", "MRR@10 (95%)", "recall@1", "recall@4", "recall@10", "nDCG@10", "gap closed (95%)"],
        [[name, _mrr(row), *_figures(row), _gap(row)] for name, row in result["xquad"].items()],
    )
    handbook = table(
        ["on this project's pages", "MRR@10 (95%)", "recall@1", "recall@4", "recall@10", "nDCG@10"],
        [[name, _mrr(result["handbook"][name]), *_figures(result["handbook"][name])] for name in rankings],
    )
    told = table(
        ["on this project's pages", "answered questions refused", "unanswered questions let through"],
        [
            ["relevance", f"{result['handbook']['refused']:.1%}", f"{result['handbook']['let through']:.1%}"],
            [
                "cosine 0.28",
                f"{result['handbook']['refused by cosine 0.28']:.1%}",
                f"{result['handbook']['let through by cosine 0.28']:.1%}",
            ],
        ],
    )
    latency = result["latency_ms"]
    times = table(
        ["embed one question", "bare engine search", "search, all of it", "ratio of medians", "in the first round"],
        [
            [
                *(f"{latency[name]:.2f} ms" for name in ("embed", "engine", "search")),
                *(f"{latency[name]:.2f}" for name in ("ratio", "ratio at first sight")),
            ]
        ],
    )
    return "\n\n".join([xquad, handbook, told, times])


def _mrr(row: dict[str, Any]) -> str:
    return f"{row['mrr@10']:.4f} ({row['mrr@10_low']:.3f} to {row['mrr@10_high']:.3f})"


def _figures(row: dict[str, Any]) -> list[str]:
    return [f"{row[name]:.3f}" for name in ("recall@1", "recall@4", "recall@10", "ndcg@10")]


def _gap(row: dict[str, Any]) -> str:
    return f"{row['gap_closed']:+.0%} ({row['gap_closed_low']:+.0%} to {row['gap_closed_high']:+.0%})"


if __name__ == "__main__":
    raise SystemExit(main())
