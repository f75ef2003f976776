"""Whether the twin knows what its author has not written: verdicts on questions by hand, over four corpora.

    python benchmarks/knowing.py [--corpora FOLDER] [--repository URL_OR_FOLDER]

`benchmarks/questions/knowing` has the questions: answerable ones in a reader's own words, near misses, false premises,
letters, single rare words, other languages, and what is about something else altogether. The decision was tuned on two
corpora; the other two are for reporting. "Before" is the rule that there was: a passage among the first four with a
relevance of 0.15.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from support import CORPORA, machine, save, table
from support.knowing import ANSWERABLE, KINDS, REPOSITORY, TUNED_ON, Asked, corpora, questions
from support.xquad import index_of

from twin.features import embedding
from twin.retrieval.relevance import relevant
from twin.retrieval.retriever import Retriever
from twin.settings import EmbeddingSettings, RagSettings, read

if TYPE_CHECKING:
    from twin.features.embedding import Embedder
    from twin.records import CleanedDocument

SHOWN = (1, 4, 20)
"""Numbers of passages asked for; the verdict must be the same."""


class Told(NamedTuple):
    """What became of a question."""

    corpus: str
    asked: Asked
    verdict: str
    before: bool
    """Whether it was answered by the rule before."""
    steady: bool
    """Whether the verdict is the same however many passages are asked for."""
    milliseconds: float
    """What the verdict costs beside the search."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, default=CORPORA)
    parser.add_argument("--repository", default=REPOSITORY)
    options = parser.parse_args()
    embedder = embedding.load(read(EmbeddingSettings))
    told: list[Told] = []
    for name, documents in corpora(options.corpora, options.repository).items():
        with tempfile.TemporaryDirectory(prefix="knowing-") as folder:
            told += _ask(name, documents, Path(folder), embedder)
    result: dict[str, Any] = {"model": embedder.name, "machine": machine(), "questions": len(told)}
    result["rows"] = {half: _rows(rows) for half, rows in _halves(told).items()}
    result["steady"] = float(np.mean([one.steady for one in told]))
    result["verdict_ms"] = {
        "median": float(np.median([one.milliseconds for one in told])),
        "p95": float(np.quantile([one.milliseconds for one in told], 0.95)),
    }
    print(save("knowing", result, _tables(result)))
    return 0


def _ask(name: str, documents: list[CleanedDocument], folder: Path, embedder: Embedder) -> list[Told]:
    index, _ = index_of(iter(documents), folder, embedder)
    retriever, settings = Retriever(lambda: embedder, lambda: index), read(RagSettings)
    retriever.warm()
    told = []
    for asked in questions(name):
        verdicts, spent = [], 0.0
        for k in SHOWN:
            found = retriever.retrieve(asked.text, k)
            started = time.perf_counter()
            ruled = retriever.ruled(found, least=settings.min_confidence, min_relevance=settings.min_relevance)
            spent += time.perf_counter() - started
            verdicts.append(ruled.ruling.verdict if ruled.ruling else "nothing")
        before = bool(relevant(retriever.retrieve(asked.text, 4).passages, settings.min_relevance))
        told.append(Told(name, asked, verdicts[1], before, len({*verdicts}) == 1, 1000 * spent / len(SHOWN)))
    index.close()
    return told


def _halves(told: list[Told]) -> dict[str, list[Told]]:
    return {
        "tuned on": [one for one in told if one.corpus in TUNED_ON],
        "reported": [one for one in told if one.corpus not in TUNED_ON],
    }


def _rows(told: list[Told]) -> dict[str, dict[str, float]]:
    rows = {}
    for kind in KINDS:
        of_kind = [one for one in told if one.asked.kind == kind]
        if of_kind:
            rows[kind] = {
                "questions": len(of_kind),
                "before": float(np.mean([one.before for one in of_kind])),
                **{
                    verdict: float(np.mean([one.verdict == verdict for one in of_kind]))
                    for verdict in ("answer", "nearest", "nothing")
                },
            }
    return rows


def _tables(result: dict[str, Any]) -> str:
    parts = [
        table(
            [half, "wanted", "questions", "answered before", "answer", "nearest", "nothing"],
            [
                [
                    kind,
                    "answer" if kind in ANSWERABLE else "no answer",
                    row["questions"],
                    *(f"{row[name]:.2f}" for name in ("before", "answer", "nearest", "nothing")),
                ]
                for kind, row in rows.items()
            ],
        )
        for half, rows in result["rows"].items()
    ]
    figures = result["verdict_ms"]
    parts.append(
        f"{result['questions']} questions by hand. The same verdict at k {', '.join(map(str, SHOWN))}: "
        f"{result['steady']:.1%}. The verdict takes {figures['median']:.2f} ms beside the search (95%: "
        f"{figures['p95']:.2f} ms)."
    )
    return "\n\n".join(parts)


if __name__ == "__main__":
    raise SystemExit(main())
