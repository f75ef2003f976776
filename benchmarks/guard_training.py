"""Fits the guards' classifiers and writes their weights into the package.

    python benchmarks/guard_training.py [--corpora FOLDER]

From `corpora/guard/train.jsonl`, from questions and headings that are harmless (SQuAD 2, XQuAD, the LLM Engineer's
Handbook), and from what this project wrote (`benchmarks/questions/guards`). Where the line is drawn is decided on texts
left out of the fit, by the share of harmless ones above it (`TASKS`); people write others than we do, so that it will
be more. What the result is worth is measured by `benchmarks/guards.py`, on data of other makers.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sparse
from sklearn.linear_model import LogisticRegression
from support import CORPORA
from support.written import written

from twin.features import embedding
from twin.guards import features
from twin.guards.classifier import WEIGHTS
from twin.settings import EmbeddingSettings, read

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDS = 5
SEED = 0
EACH = {"scary": 12, "harmful": 12, "everyday": 15, "harmless_prompts": 20, "harmless_passages": 20, "injection": 20}
"""How often a template of ours is written out; others ten times."""
OURS = {
    "scary": "scary",
    "harmful": "harmful_request",
    "extraction": "prompt_extraction",
    "jailbreak": "jailbreak",
    "harmless_prompts": "harmless",
    "everyday": "harmless",
    "injection": "injection",
    "harmless_passages": "harmless_passage",
}
QUESTION = ("harmless", "scary", "jailbreak", "prompt_extraction", "harmful_request")
PASSAGE = ("harmless_passage", "injection")


class Text(NamedTuple):
    """A text and what it is."""

    text: str
    kind: str


class Task(NamedTuple):
    """What one classifier tells apart."""

    kind: str
    also: tuple[str, ...]
    """What counts as its kind too."""
    others: tuple[str, ...]
    dense: bool
    false_alarms: dict[str, float]
    """Where the line is: at most this share of each of these kinds."""


TASKS = (
    Task("jailbreak", (), QUESTION, dense=False, false_alarms={"harmless": 0.0025}),
    Task("prompt_extraction", (), QUESTION, dense=False, false_alarms={"harmless": 0.006}),
    Task("harmful_request", (), QUESTION, dense=True, false_alarms={"harmless": 0.001, "scary": 0.01}),
    Task("injection", QUESTION[2:4], PASSAGE[:1], dense=False, false_alarms={"harmless_passage": 0.008}),
    Task("toxic", (), (*PASSAGE[:1], "harmless", "scary"), dense=False, false_alarms={"harmless_passage": 0.002}),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, default=CORPORA)
    corpora = parser.parse_args().corpora
    if not (corpora / "guard" / "train.jsonl").is_file():
        print(f"Skipped: {corpora} holds no guard/train.jsonl; name the folder by --corpora.")
        return 0
    texts = list(dict.fromkeys(gathered(corpora)))
    embedder = embedding.load(read(EmbeddingSettings))
    grams = matrix([text.text for text in texts])
    vectors = np.zeros((len(texts), embedder.dimensions), np.float32)
    asked = [number for number, text in enumerate(texts) if text.kind in QUESTION]
    vectors[asked] = embedder.embed([embedder.truncate(texts[number].text) for number in asked])
    fitted = [fit(task, texts, grams, vectors) for task in TASKS]
    about = {
        "features": features.VERSION,
        "kinds": [task.kind for task in TASKS],
        "intercepts": [one[2] for one in fitted],
        "data": hashlib.sha256(json.dumps(sorted(texts)).encode()).hexdigest()[:12],
        "embedding": embedder.name,
    }
    np.savez_compressed(
        WEIGHTS,
        about=np.array(json.dumps(about)),
        grams=np.stack([one[0] for one in fitted], axis=1).astype(np.float16),
        dense=np.stack([one[1] for one in fitted], axis=1).astype(np.float16),
    )
    print(f"{len(texts):,} texts, data {about['data']}: {WEIGHTS} has {WEIGHTS.stat().st_size / 1024:,.0f} KB.")
    return 0


def gathered(corpora: Path) -> list[Text]:
    """Everything that is fitted on, always in the same order."""
    chance = random.Random(SEED)
    kinds = {"indirect_injection": "injection", "benign_passage": "harmless_passage"}
    rows = _lines(corpora / "guard" / "train.jsonl")
    texts = [Text(part, kinds.get(row["label"], row["label"])) for row in rows for part in _parts(row)]
    for name, kind in OURS.items():
        texts += [Text(text, kind) for text in written(name, EACH.get(name, 10))]
    harmless = {
        "answerability/squad2-questions.jsonl": ("question", 900),
        "xquad-en/questions.jsonl": ("question", 300),
        "llm-engineers-handbook/instruct.jsonl": ("instruction", 500),
    }
    for name, (column, most) in harmless.items():
        asked = sorted({row[column] for row in _lines(corpora / name)})
        texts += [Text(text, "harmless") for text in chance.sample(asked, most)]
    articles = [row["content"] for row in _lines(corpora / "llm-engineers-handbook" / "articles.jsonl")]
    lines = [line for article in articles for line in article.split("\n")]
    headings = sorted({line.strip("# ").strip() for line in lines if line.startswith("#")})
    texts += [Text(line, "harmless") for line in headings if 8 < len(line) < 120]
    prose = [row["content"] for row in _lines(corpora / "answerability" / "squad2-documents.jsonl")]
    prose += [part for article in articles for part in article.split("\n\n")]
    prose = sorted({part.strip() for part in prose if len(part.strip()) > 60})
    return [*texts, *(Text(part, "harmless_passage") for part in chance.sample(prose, min(3_000, len(prose))))]


def matrix(texts: Sequence[str]) -> sparse.csr_matrix:
    """The n-grams of each text, a row each."""
    found = [features.features(text) for text in texts]
    ends = np.cumsum([0, *(len(buckets) for buckets, _ in found)])
    amounts, buckets = np.concatenate([row[1] for row in found]), np.concatenate([row[0] for row in found])
    return sparse.csr_matrix((amounts, buckets, ends), shape=(len(texts), 2 * features.BUCKETS))


def fit(
    task: Task, texts: Sequence[Text], grams: sparse.csr_matrix, vectors: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Weights of n-grams, weights of the vector, and the intercept that puts the line at 0."""
    rows = np.array([number for number, text in enumerate(texts) if text.kind in {task.kind, *task.also, *task.others}])
    kinds = np.array([texts[number].kind for number in rows])
    wanted = np.isin(kinds, [task.kind, *task.also])
    seen = sparse.hstack([grams[rows], sparse.csr_matrix(2 * vectors[rows] * task.dense)]).tocsr()
    held, fold = np.zeros(len(rows)), np.random.default_rng(SEED).integers(0, FOLDS, len(rows))
    for number in range(FOLDS):
        model = _regression().fit(seen[fold != number], wanted[fold != number])
        held[fold == number] = model.decision_function(seen[fold == number])
    line = max(float(np.quantile(held[kinds == kind], 1 - share)) for kind, share in task.false_alarms.items())
    caught = (held[wanted] > line).mean()
    print(f"{task.kind}: the line is at {line:.2f}, which catches {caught:.0%} of what the fit did not see")
    model = _regression().fit(seen, wanted)
    weights = model.coef_[0]
    split = 2 * features.BUCKETS
    return weights[:split], 2 * weights[split:] * task.dense, float(model.intercept_[0] - line)


def _regression() -> LogisticRegression:
    return LogisticRegression(C=10, solver="liblinear", class_weight="balanced")


def _parts(row: dict[str, Any]) -> list[str]:
    """A passage's paragraphs, since passages are looked at by paragraph; anything else as it is."""
    if row["label"] != "benign_passage":
        return [row["text"]]
    return [part for part in row["text"].split("\n\n") if part.strip()]


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


if __name__ == "__main__":
    raise SystemExit(main())
