"""How fast passages and questions are embedded, by what, how near to float32, and what the pipeline adds to it.

    python benchmarks/embedding.py [FOLDER] [--passages 160] [--rounds 3]

FOLDER holds `articles.jsonl` (url, title, content); the default is ../shared/corpora/llm-engineers-handbook, and where
there is none, this project's own docs. The yardsticks: the machine's float32 matrix product, measured in the same run;
sentence-transformers, whose vectors are the reference; and for the pipeline the bare embedding of the same passages.
Rounds of all runtimes alternate, and each one's best counts: another program's load then falls on all of them.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from support import CORPORA, handbook, machine, save, table

from twin import cleaning
from twin.artifacts import ArtifactStore
from twin.features import chunking, embedding, pipeline
from twin.features.backends import bert
from twin.features.embedding_cache import EmbeddingCache
from twin.features.index.edge import EdgeIndex
from twin.records import Chunk, CleanedDocument, Document, Source, content_hash, document_id
from twin.settings import EmbeddingSettings, read
from twin.warehouse import Warehouse, mongod

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RUNTIMES: dict[str, dict[str, str]] = {
    "sentence-transformers": {"runtime": "sentence-transformers"},
    "ONNX Runtime fp32": {"runtime": "onnx", "precision": "fp32"},
    "ONNX Runtime int8": {"runtime": "onnx", "precision": "int8"},
}
REFERENCE = "sentence-transformers"
EDITED_SHARE = 0.05
MATRIX = 2_048


def main() -> int:
    options = _options()
    documents = _documents(options.folder)
    embedder = embedding.load(read(EmbeddingSettings))
    texts = [chunk.embedding_text for document in documents for chunk in chunking.split(_cleaned(document), embedder)]
    chosen = [texts[index] for index in np.random.default_rng(0).permutation(len(texts))[: options.passages]]
    result: dict[str, Any] = {"machine": machine(), "documents": len(documents), "passages": len(texts)}
    result["runtimes"] = _runtimes(chosen, options.rounds)
    result["pipeline"] = _pipeline(documents)
    print(save("embedding", result, _tables(result)))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=CORPORA / "llm-engineers-handbook")
    parser.add_argument("--passages", type=int, default=160)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def _documents(folder: Path) -> list[Document]:
    articles = folder / "articles.jsonl"
    if articles.exists():
        rows = [json.loads(line) for line in articles.read_text("utf-8").splitlines()]
    else:
        rows = [
            {"url": f"https://docs.example/{path.stem}", "title": path.stem, "content": path.read_text("utf-8")}
            for path in sorted(handbook().rglob("*.md"))
        ]
    return [
        Document(
            id=document_id(row["url"]), url=row["url"], source_id="benchmark", author=row.get("author") or "Docs",
            title=row.get("title") or "", content=row["content"],
        )
        for row in rows
    ]  # fmt: skip


def _cleaned(document: Document) -> CleanedDocument:
    return CleanedDocument(
        id=document.id, url=document.url, source_id=document.source_id, author=document.author, title=document.title,
        content=document.content, raw_hash=document.hash,
    )  # fmt: skip


def _runtimes(texts: Sequence[str], rounds: int) -> dict[str, Any]:
    """Every runtime over the same passages and questions, and the matrix product that bounds them."""
    embedders, loading = {}, {}
    for name, changes in RUNTIMES.items():
        embedders[name] = embedding.load(read(EmbeddingSettings).model_copy(update=changes))
        loading[name] = _seconds(embedders[name].warm_up)
    flops = _flops(embedders[REFERENCE], texts)
    questions = [re.split(r"[.?!]", text)[0][:80] + "?" for text in texts]
    best = dict.fromkeys(embedders, float("inf"))
    asked: dict[str, list[float]] = {name: [] for name in embedders}
    vectors, peak = {}, 0.0
    for turn in range(rounds):
        peak = max(peak, _matmul_peak())
        for name, embedder in embedders.items():
            began = time.perf_counter()
            vectors[name] = embedder.embed(texts)
            best[name] = min(best[name], time.perf_counter() - began)
            asked[name] += [_seconds(lambda e=embedder, q=q: e.embed([f"{q} {turn}"])) * 1e3 for q in questions]  # noqa: B023
    rows = {}
    for name, seconds in best.items():
        cosines = (vectors[name] * vectors[REFERENCE]).sum(axis=1)
        rows[name] = {
            "runs_on": embedders[name].encoder.description,
            "load_s": loading[name],
            "passages_per_s": len(texts) / seconds,
            "gflops": flops / seconds / 1e9,
            "share_of_peak": flops / seconds / peak,
            "question_ms": {f"p{share}": float(np.percentile(asked[name], share)) for share in (50, 99)},
            "cosine": {"mean": float(cosines.mean()), "worst": float(cosines.min())},
        }
    return {"peak_gflops_fp32": peak / 1e9, "passages": len(texts), "by_runtime": rows}


def _flops(embedder: embedding.SentenceEmbedder, texts: Sequence[str]) -> float:
    """Multiplications and additions of the matrix products alone, over real tokens."""
    model = bert.read(embedder.folder)
    weights = sum(
        part.weight.size
        for layer in model.layers
        for part in (layer.attention_in, layer.attention_out, layer.feed_in, layer.feed_out)
    )
    lengths = np.array([embedder.count_tokens(text) for text in texts], dtype=float)
    attention = 2 * 2 * len(model.layers) * model.hidden * lengths**2
    return float((2 * weights * lengths + attention).sum())


def _matmul_peak() -> float:
    """Float32 operations a second of the fastest matrix product on all cores."""
    import torch

    left, right = torch.randn(MATRIX, MATRIX), torch.randn(MATRIX, MATRIX)
    return 2 * MATRIX**3 / min(_seconds(lambda: left @ right) for _ in range(6))


def _pipeline(documents: Sequence[Document]) -> dict[str, Any]:
    """Cleaned documents in the warehouse to the published index: first, again, and with a few edited."""
    edited = [*map(_edit, documents[: max(1, round(len(documents) * EDITED_SHARE))])]
    with tempfile.TemporaryDirectory() as folder, mongod.start(Path(folder) / "mongo") as running:
        warehouse = Warehouse(running.uri, "benchmark")
        embedder = embedding.load(read(EmbeddingSettings))
        embedder.warm_up()
        store, root = ArtifactStore(f"{folder}/artifacts"), Path(folder)
        cache = EmbeddingCache(root / "cache.sqlite", limit_mb=512)
        index = EdgeIndex(root / "index", dimensions=embedder.dimensions)

        def ingest() -> dict[str, float]:
            return {
                "chunk_s": _seconds(lambda: pipeline.chunk(warehouse, store, embedder, cache)),
                "embed_s": _seconds(lambda: pipeline.embed(store, embedder, cache)),
                "publish_s": _seconds(lambda: pipeline.publish(store, index, embedder)),
            }

        def bring(changed: Sequence[Document]) -> None:
            warehouse.documents.observe(Source(kind="folder", location="/benchmark"), changed, complete=False)
            warehouse.cleaned.write((cleaning.clean(document), document.hash) for document in changed)

        bring(documents)
        used = time.process_time()
        first = ingest()
        used, again = time.process_time() - used, ingest()
        texts = [chunk.embedding_text for chunk in store.dataset("chunks", Chunk).rows()]
        distinct = list(dict.fromkeys(texts))
        alone = time.process_time()
        bare = min(_seconds(lambda: embedder.embed(distinct)) for _ in range(2))
        alone = (time.process_time() - alone) / 2
        bring(edited)
        some = ingest()
        index.close()
        warehouse.close()
    total = sum(first.values())
    return {
        "passages": len(texts), "distinct": len(distinct), "edited": len(edited), "bare_s": bare,
        "first": first, "unchanged": again, "edited_5_percent": some,
        "first_to_bare": bare / total, "first_to_bare_cpu": alone / used,
        "unchanged_to_first": sum(again.values()) / total,
        "edited_to_first": sum(some.values()) / total,
    }  # fmt: skip


def _edit(document: Document) -> Document:
    """The document with a sentence in its middle replaced."""
    middle = document.content.find(" ", len(document.content) // 2)
    content = (
        f"{document.content[:middle]} An edit of {content_hash(document.id)[:8]}. {document.content[middle + 60 :]}"
    )
    return Document(
        id=document.id, url=document.url, source_id=document.source_id, author=document.author, title=document.title,
        content=content,
    )  # fmt: skip


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _tables(result: dict[str, Any]) -> str:
    runtimes, measured = result["runtimes"], result["pipeline"]
    by_runtime = table(
        ["runtime", "load s", "passages/s", "GFLOP/s", "of fp32 peak", "question p50 ms", "p99 ms", "cosine", "worst"],
        [
            [name, f"{row['load_s']:.1f}", f"{row['passages_per_s']:.1f}", f"{row['gflops']:.0f}",
             f"{row['share_of_peak']:.0%}", f"{row['question_ms']['p50']:.1f}", f"{row['question_ms']['p99']:.1f}",
             f"{row['cosine']['mean']:.4f}", f"{row['cosine']['worst']:.4f}"]
            for name, row in runtimes["by_runtime"].items()
        ],
    )  # fmt: skip
    steps = table(
        ["pipeline", "chunk s", "embed s", "publish s", "ratio"],
        [
            [f"first ({measured['passages']} passages)", *_steps(measured["first"]),
             f"{measured['first_to_bare']:.1%} of bare ({measured['bare_s']:.2f} s); processor time "
             f"{measured['first_to_bare_cpu']:.1%}"],
            ["unchanged", *_steps(measured["unchanged"]), f"{measured['unchanged_to_first']:.2%} of first"],
            ["5% edited", *_steps(measured["edited_5_percent"]), f"{measured['edited_to_first']:.2%} of first"],
        ],
    )  # fmt: skip
    return f"fp32 peak {runtimes['peak_gflops_fp32']:.0f} GFLOP/s\n\n{by_runtime}\n\n{steps}"


def _steps(seconds: dict[str, float]) -> list[str]:
    return [f"{value:.2f}" for value in seconds.values()]


if __name__ == "__main__":
    raise SystemExit(main())
