"""This project beside the frameworks that people build retrieval with, in one run, with one embedding model.

    make bench-frameworks                       # installs the peers into .venv-peers, then runs this
    python benchmarks/frameworks.py [--corpora FOLDER] [--only llm-twin,langchain] [--questions 1000]

Work: raw text to searchable, the same again unchanged, again with 5% of the documents edited; questions one by one and
16 at once; start-up and memory; quality on the half of XQuAD's paragraphs that nothing here was tuned on, with the
handbook's articles as distractors. Every contestant runs in a process of its own and cuts passages that the model reads
whole. Questions go round in slices, so that all contestants see the same noise of the machine. This project does more
than the others in the same time: its figures include a real MongoDB, cleaning and BM25.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from support import CORPORA, is_reported, machine, save, table

from twin.features import embedding
from twin.records import document_id
from twin.settings import EmbeddingSettings, read

HERE = Path(__file__).resolve().parent
PEERS_PYTHON = HERE.parent / ".venv-peers" / "bin" / "python"
OURS = "llm-twin"
STACKS = {
    OURS: "llm_twin_stack",
    "haystack": "haystack_stack",
    "llama-index": "llama_index_stack",
    "langchain": "langchain_stack",
}
CLIENTS = 16
SLICE = 50
EDITED_SHARE = 0.05
ROUNDS = 5
"""First ingests, each followed by bare embedding: the machine's speed changes by a tenth from minute to minute."""
RESAMPLES = 2_000


class Contestant:
    """A child process that takes commands."""

    def __init__(self, name: str, folder: Path, model: Path) -> None:
        self.name = name
        python = sys.executable if name == OURS else str(PEERS_PYTHON)
        program = HERE / "peers" / f"{STACKS[name]}.py"
        quiet = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "GOMP_SPINCOUNT": "5000",
                 "HAYSTACK_TELEMETRY_ENABLED": "false", "ANONYMIZED_TELEMETRY": "false"}  # fmt: skip
        self._log = (folder.parent / f"{name}.log").open("a")
        self._process = subprocess.Popen(
            [python, str(program), str(folder), str(model)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, env={**os.environ, **quiet},
        )  # fmt: skip

    def do(self, what: str, **arguments: Any) -> dict[str, Any]:
        """Runs one command and returns its answer.

        Raises:
            RuntimeError: The contestant died; with the end of its log.
        """
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None
        assert answers is not None
        requests.write(json.dumps({"do": what, **arguments}) + "\n")
        requests.flush()
        line = answers.readline()
        if not line:
            said = Path(self._log.name).read_text("utf-8").strip().splitlines()[-3:]
            raise RuntimeError(f"{self.name} died in {what!r}: {' | '.join(said)}")
        return json.loads(line)

    def end(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()
        self._log.close()


def main() -> int:
    options = _options()
    xquad, handbook = options.corpora / "xquad-en", options.corpora / "llm-engineers-handbook"
    if not xquad.is_dir() or not handbook.is_dir():
        print(f"Skipped: {options.corpora} holds no xquad-en and llm-engineers-handbook; name the folder by --corpora.")
        return 0
    names = [name for name in STACKS if name in options.only.split(",")]
    if any(name != OURS for name in names) and not PEERS_PYTHON.exists():
        print("Skipped: the peers are not installed; `make bench-frameworks` installs them into .venv-peers.")
        return 0
    paragraphs = _rows(xquad / "documents.jsonl")
    rows = [*paragraphs, *_rows(handbook / "articles.jsonl")]
    asked = [json.loads(line) for line in (xquad / "questions.jsonl").read_text("utf-8").splitlines()]
    with tempfile.TemporaryDirectory(prefix="frameworks-") as folder:
        result = _contest(names, rows, asked, Path(folder), options.questions)
    result["machine"] = machine()
    print(save("frameworks", result, _tables(result)))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, default=CORPORA)
    parser.add_argument("--only", default=",".join(STACKS))
    parser.add_argument("--questions", type=int, default=1_000)
    return parser.parse_args()


def _contest(
    names: list[str], rows: list[dict[str, Any]], asked: list[dict[str, Any]], folder: Path, count: int
) -> dict[str, Any]:
    model = embedding.load(read(EmbeddingSettings)).folder
    ids = {document_id(row["url"]): row["id"] for row in rows}
    files = _write_corpora(rows, folder)
    questions = [row["question"] for row in asked]
    result: dict[str, Any] = {"documents": len(rows), "megabytes": sum(len(row["content"]) for row in rows) / 1e6}
    result["ingest"] = {name: _ingest(name, files, folder / name, model) for name in names}
    contestants, result["start"] = {}, {}
    for name in names:
        contestants[name], result["start"][name] = _start(name, folder / name, model, questions[0])
    try:
        found, result["one_by_one"] = _one_by_one(contestants, questions, count)
        result["at_once"] = _at_once(contestants, questions[:count])
    finally:
        for contestant in contestants.values():
            contestant.end()
    relevant = [row["document"] for row in asked]
    ranks = {
        name: np.array([_reciprocal_rank([ids.get(key, key) for key in keys], wanted)
                        for keys, wanted in zip(found[name], relevant, strict=True)])
        for name in names
    }  # fmt: skip
    kept = np.array([is_reported(document) for document in relevant])
    result["quality"] = _quality({name: values[kept] for name, values in ranks.items()})
    return result


def _rows(path: Path) -> list[dict[str, Any]]:
    fields = ("id", "url", "title", "author", "content")
    read_rows = (json.loads(line) for line in path.read_text("utf-8").splitlines())
    return [{field: row[field] for field in fields} for row in read_rows]


def _write_corpora(rows: list[dict[str, Any]], folder: Path) -> dict[str, str]:
    """The corpus as it is, and with a sentence added in the middle of every twentieth document."""
    every = round(1 / EDITED_SHARE)
    edited = [
        {**row, "content": _with_a_sentence_inside(row["content"])} if number % every == 0 else row
        for number, row in enumerate(rows)
    ]
    files = {}
    for name, content in (("first", rows), ("edited", edited)):
        path = folder / f"{name}.jsonl"
        path.write_text("\n".join(map(json.dumps, content)), "utf-8")
        files[name] = str(path)
    return files


def _with_a_sentence_inside(content: str) -> str:
    middle = content.find(" ", len(content) // 2)
    return f"{content[:middle]} A sentence was added here by an editor.{content[middle:]}"


def _ingest(name: str, files: dict[str, str], folder: Path, model: Path) -> dict[str, Any]:
    contestant = Contestant(name, folder, model)
    try:
        _load(contestant)
        steps = {"first": "first", "unchanged": "first", "edited": "edited"}
        answers = {step: contestant.do("ingest", file=files[file]) for step, file in steps.items()}
    finally:
        contestant.end()
    result = {step: answer["seconds"] for step, answer in answers.items()}
    result |= {"passages": answers["first"]["passages"], "peak_mb": answers["edited"]["peak_mb"]}
    if name == OURS:
        rounds = [_beside_bare(files["first"], folder.with_name(f"round-{number}"), model) for number in range(ROUNDS)]
        ingest, bare = (float(np.median([one[what] for one in rounds])) for what in ("ingest", "bare"))
        result |= {"rounds": rounds, "to_bare": bare / ingest}
    print(f"{name}: {json.dumps(result)}", flush=True)
    return result


def _beside_bare(file: str, folder: Path, model: Path) -> dict[str, float]:
    """Seconds of a first ingest, and of embedding the same passages and nothing else."""
    contestant = Contestant(OURS, folder, model)
    try:
        _load(contestant)
        ingest = contestant.do("ingest", file=file)["seconds"]
        bare = contestant.do("bare_embedding")["value"]
    finally:
        contestant.end()
    shutil.rmtree(folder)
    return {"ingest": ingest, "bare": bare}


def _load(contestant: Contestant) -> None:
    contestant.do("load")
    if contestant.name == OURS:
        contestant.do("prepare")


def _start(name: str, folder: Path, model: Path, question: str) -> tuple[Contestant, dict[str, float]]:
    """A new process over what was ingested, with its seconds to the first answer and its memory then."""
    started = time.perf_counter()
    contestant = Contestant(name, folder, model)
    contestant.do("load")
    answer = contestant.do("search", questions=[question])
    return contestant, {"first_answer_s": time.perf_counter() - started, "peak_mb": answer["peak_mb"]}


def _one_by_one(
    contestants: dict[str, Contestant], questions: list[str], timed: int
) -> tuple[dict[str, list[list[str]]], dict[str, Any]]:
    """What each finds for all questions, and its latencies over the first `timed` of them."""
    found: dict[str, list[list[str]]] = {name: [] for name in contestants}
    times: dict[str, list[float]] = {name: [] for name in contestants}
    parts: dict[str, list[float]] = {"embed": [], "engine": [], "floor": []}
    for start in range(0, len(questions), SLICE):
        asked = questions[start : start + SLICE]
        for name, contestant in contestants.items():
            answer = contestant.do("search", questions=asked)
            found[name] += answer["found"]
            times[name] += answer["ms"]
        if OURS in contestants:
            for part in parts:
                parts[part] += contestants[OURS].do(f"{part}_only", arguments=[asked])["value"]
    summary: dict[str, dict[str, Any]] = {name: _percentiles(values[:timed]) for name, values in times.items()}
    if OURS in contestants:
        summary[OURS] |= {part: _percentiles(values[:timed]) for part, values in parts.items()}
    return found, summary


def _at_once(contestants: dict[str, Contestant], questions: list[str]) -> dict[str, Any]:
    """Latencies and throughput with `CLIENTS` threads, beside the same questions asked by one."""
    size = SLICE * 5
    result: dict[str, Any] = {name: {"ms": [], "seconds": 0.0, "one_client_seconds": 0.0} for name in contestants}
    for start in range(0, len(questions), size):
        asked = questions[start : start + size]
        for name, contestant in contestants.items():
            result[name]["one_client_seconds"] += sum(contestant.do("search", questions=asked)["ms"]) / 1e3
            answer = contestant.do("search_at_once", questions=asked, clients=CLIENTS)
            result[name]["ms"] += answer["ms"]
            result[name]["seconds"] += answer["seconds"]
    return {
        name: {
            **_percentiles(one["ms"]),
            "per_second": len(questions) / one["seconds"],
            "one_client_per_second": len(questions) / one["one_client_seconds"],
        }
        for name, one in result.items()
    }


def _reciprocal_rank(found: list[str], wanted: str) -> float:
    """Over documents: several passages of one document are one place in the ranking."""
    documents = list(dict.fromkeys(found))
    return 1 / (documents.index(wanted) + 1) if wanted in documents else 0.0


def _quality(ranks: dict[str, np.ndarray]) -> dict[str, Any]:
    """MRR@10 with the 95% bootstrap interval, and of each peer's difference to ours, question by question."""
    chosen = np.random.default_rng(0).integers(
        0, len(next(iter(ranks.values()))), (RESAMPLES, len(next(iter(ranks.values()))))
    )
    result: dict[str, Any] = {}
    for name, values in ranks.items():
        result[name] = {"questions": len(values), "mrr": float(values.mean()), "interval": _interval(values[chosen])}
        if OURS in ranks and name != OURS:
            result[name]["ours_minus_it"] = _interval((ranks[OURS] - values)[chosen])
    return result


def _interval(samples: np.ndarray) -> list[float]:
    return [float(bound) for bound in np.percentile(samples.mean(axis=1), [2.5, 97.5])]


def _percentiles(times: list[float]) -> dict[str, float]:
    return {"p50": float(np.percentile(times, 50)), "p99": float(np.percentile(times, 99))}


def _tables(result: dict[str, Any]) -> str:
    ingest, start, single, many, quality = (
        result[name] for name in ("ingest", "start", "one_by_one", "at_once", "quality")
    )
    speed = table(
        ["stack", "passages", "ingest s", "unchanged", "5% edited", "start s", "memory MB", "query p50 ms", "p99",
         "queries/s, 1 client", f"{CLIENTS} clients"],
        [
            [name, one["passages"], f"{one['first']:.1f}", f"{one['unchanged'] / one['first']:.1%}",
             f"{one['edited'] / one['first']:.1%}", f"{start[name]['first_answer_s']:.1f}",
             f"{start[name]['peak_mb']:.0f}", f"{single[name]['p50']:.1f}", f"{single[name]['p99']:.1f}",
             f"{many[name]['one_client_per_second']:.0f}", f"{many[name]['per_second']:.0f}"]
            for name, one in ingest.items()
        ],
    )  # fmt: skip
    found = table(
        ["stack", "questions", "MRR@10", "95% interval", "this project minus it"],
        [
            [name, one["questions"], f"{one['mrr']:.4f}", _shown(one["interval"]), _shown(one.get("ours_minus_it"))]
            for name, one in quality.items()
        ],
    )
    return "\n\n".join([speed, found, *_ratios(result)])


def _shown(interval: list[float] | None) -> str:
    return f"{interval[0]:+.4f} to {interval[1]:+.4f}" if interval else ""


def _ratios(result: dict[str, Any]) -> list[str]:
    """What the project holds itself to, from this very run."""
    if OURS not in result["ingest"]:
        return []
    ours, ingest = result["one_by_one"][OURS], result["ingest"][OURS]
    floor, alone = ours["floor"]["p50"], ours["embed"]["p50"] + ours["engine"]["p50"]
    shares = ", ".join(f"{one['bare'] / one['ingest']:.0%}" for one in ingest["rounds"])
    lines = [
        f"Ingest at {ingest['to_bare']:.0%} of the bare embedding throughput (medians; {shares}).",
        f"A question takes {ours['p50'] / floor:.2f} times embedding it and asking the bare engine ({floor:.1f} ms); "
        f"{ours['p50'] / alone:.2f} times the sum of the two measured apart, with caches warm ({alone:.1f} ms).",
    ]
    peers = {name: one["p50"] for name, one in result["one_by_one"].items() if name != OURS}
    if peers:
        fastest = min(peers, key=peers.__getitem__)
        lines.append(f"The fastest peer, {fastest}, takes {peers[fastest] / ours['p50']:.1f} times as long.")
    return lines


if __name__ == "__main__":
    sys.exit(main())
