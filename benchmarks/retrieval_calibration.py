"""Fits what retrieval decides by: the reranker's weights, and the probability that a passage is relevant.

    python benchmarks/retrieval_calibration.py [--corpora FOLDER]

Fitted on the tune half of XQuAD's paragraphs among the articles of the LLM Engineer's Handbook, and reported on the
other half. A question that nothing answers is one whose paragraph's whole article is left out of the search. Run it
with EMBEDDING_MODEL set and put what it prints into `twin.retrieval.relevance.CALIBRATIONS` for a model of yours.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from support import CORPORA, machine, save, table
from support.xquad import Asked, Laboratory, build, present

from twin.features import embedding
from twin.features.index import Filters
from twin.features.index.points import bm25
from twin.retrieval.ranking import ProximityReranker, Weights, evidence, scaled
from twin.retrieval.relevance import NEVER, Calibration, word_share
from twin.settings import EmbeddingSettings, read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.records import Passage

PENALTY = 0.01
"""Of the squared weights, standardised, in the listwise regression."""
THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
SHOWN = 4
"""RAG_TOP_K's default: one relevant passage of so many is enough to answer."""
LEAST = 0.15
"""RAG_MIN_RELEVANCE's default."""
RARELY = 0.01
"""The cosine that so few unanswered questions reach is enough by itself."""


class Case(NamedTuple):
    """A question with its candidates, with and without the article that answers it."""

    asked: Asked
    found: list[Passage]
    left_out: list[Passage]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, default=CORPORA)
    corpora = parser.parse_args().corpora
    if not present(corpora):
        print(f"Skipped: {corpora} holds no xquad-en and llm-engineers-handbook; name the folder by --corpora.")
        return 0
    embedder = embedding.load(read(EmbeddingSettings))
    with tempfile.TemporaryDirectory(prefix="calibration-") as folder:
        laboratory = build(corpora, Path(folder), embedder)
        cases = [_case(laboratory, asked) for asked in laboratory.questions]
        indexed = laboratory.index.count()
        laboratory.index.close()
    weights = fit_weights([case for case in cases if not case.asked.reported])
    fit = fit_relevance(cases, indexed, weights)
    result = {"model": embedder.name, "weights": weights._asdict(), "machine": machine()}
    result |= {"calibration": fit.calibration._asdict(), "roc_auc": fit.areas, "errors": fit.errors}
    print(save("retrieval_calibration", result, _tables(embedder.name, weights, fit)))
    return 0


def fit_weights(cases: Sequence[Case]) -> Weights:
    """The weights that make the right passage the likeliest of its candidates (listwise softmax, L2)."""
    rows, right = [], []
    for case in cases:
        answers = [passage.document_id == case.asked.document for passage in case.found]
        if any(answers) and len(case.found) == ProximityReranker.depth:
            rows.append(_features(case.asked.text, case.found))
            right.append(answers)
    features, wanted = np.array(rows), np.array(right)
    spread = features.reshape(-1, features.shape[-1]).std(axis=0)
    standard = features / spread

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        odds = np.exp(standard @ weights - (standard @ weights).max(axis=1, keepdims=True))
        share = (odds * wanted).sum(axis=1) / odds.sum(axis=1)
        chosen = odds / odds.sum(axis=1, keepdims=True)
        among_right = odds * wanted / (odds * wanted).sum(axis=1, keepdims=True)
        gradient = ((chosen - among_right)[:, :, None] * standard).sum(axis=1).mean(axis=0)
        return -np.log(share).mean() + PENALTY * weights @ weights, gradient + 2 * PENALTY * weights

    fitted = minimize(loss, np.zeros(features.shape[-1]), jac=True, method="L-BFGS-B").x / spread
    return Weights(*(round(float(weight / fitted[0]), 2) for weight in fitted))


def _case(laboratory: Laboratory, asked: Asked) -> Case:
    vector = laboratory.vectors[asked.text]
    without = Filters(excluded_documents=asked.article)
    return Case(
        asked,
        laboratory.index.search(asked.text, vector, ProximityReranker.depth),
        laboratory.index.search(asked.text, vector, ProximityReranker.depth, filters=without),
    )


def _features(question: str, passages: Sequence[Passage]) -> list[list[float]]:
    similarities = scaled([passage.similarity or 0.0 for passage in passages])
    words = scaled([passage.bm25 or 0.0 for passage in passages])
    told = evidence(question, passages)
    return [
        [similarity, score, found.pairs, found.together]
        for similarity, score, found in zip(similarities, words, told, strict=True)
    ]


class Fit(NamedTuple):
    """A calibration, and how it does on the other half."""

    calibration: Calibration
    fallback: Calibration
    areas: dict[str, float]
    """Under the ROC curve, by what is looked at."""
    errors: dict[str, tuple[float, float]]
    """By threshold: the share of answered questions refused, and of the others answered."""


def fit_relevance(cases: Sequence[Case], indexed: int, weights: Weights) -> Fit:
    """Logistic regressions on the first passage of each ranking."""
    reranker = ProximityReranker(weights)
    answered, unanswered = (
        np.array([_figures(asked.text, reranker.rerank(asked.text, found)[:SHOWN], indexed) for asked, found in pairs])
        for pairs in ([case[:2] for case in cases], [(case.asked, case.left_out) for case in cases])
    )
    reported = np.array([case.asked.reported for case in cases])
    tune = np.vstack([answered[~reported, 0], unanswered[~reported, 0]])
    labels = np.repeat([1, 0], (~reported).sum())
    both, alone, words = (
        LogisticRegression(C=10.0, max_iter=1000).fit(tune[:, columns], labels) for columns in ([0, 1], [0], [1])
    )
    slope = float(alone.coef_[0][0])
    rarely = float(np.quantile(unanswered[~reported, 0, 0], 1 - RARELY))
    calibration = Calibration(
        *(round(float(figure), 2) for figure in (both.intercept_[0], *both.coef_[0], alone.intercept_[0], slope)),
        close=round(math.log(LEAST / (1 - LEAST)) - slope * rarely, 2),
    )
    fallback = Calibration(
        round(float(words.intercept_[0]), 2), 0.0, round(float(words.coef_[0][0]), 2), 0.0, 0.0, NEVER
    )
    kept, others = answered[reported], unanswered[reported]
    judged = {
        "calibrated": (_likeliest(calibration, kept), _likeliest(calibration, others)),
        "words alone": (_likeliest(fallback, kept), _likeliest(fallback, others)),
        "cosine alone": (kept[:, :, 0].max(axis=1), others[:, :, 0].max(axis=1)),
    }
    errors = {f"probability {least}": _errors(*judged["calibrated"], least) for least in THRESHOLDS}
    errors[f"words alone {LEAST}"] = _errors(*judged["words alone"], LEAST)
    errors["cosine 0.28"] = _errors(*judged["cosine alone"], 0.28)
    return Fit(calibration, fallback, {name: _area(*values) for name, values in judged.items()}, errors)


def _likeliest(calibration: Calibration, figures: np.ndarray) -> np.ndarray:
    """The probability of the likeliest passage of each question."""
    return np.array([max(calibration.probability(*passage) for passage in passages) for passages in figures])


def _errors(answered: np.ndarray, unanswered: np.ndarray, least: float) -> tuple[float, float]:
    return float((answered < least).mean()), float((unanswered >= least).mean())


def _figures(question: str, passages: Sequence[Passage], indexed: int) -> list[tuple[float, float]]:
    words = len(bm25().embed_query(question).indices)
    return [(found.similarity or 0.0, word_share(found.bm25, words, indexed) or 0.0) for found in passages]


def _area(answered: np.ndarray, unanswered: np.ndarray) -> float:
    labels = np.repeat([1, 0], [len(answered), len(unanswered)])
    return float(roc_auc_score(labels, np.concatenate([answered, unanswered])))


def _tables(model: str, weights: Weights, fit: Fit) -> str:
    constants = "\n".join([f'"{model}": {fit.calibration}', f"fallback: {fit.fallback}", str(weights)])
    areas = table(
        ["looked at", "area under the ROC curve"], [(name, f"{area:.4f}") for name, area in fit.areas.items()]
    )
    errors = table(
        ["least", "answered questions refused", "unanswered questions let through"],
        [(name, f"{refused:.1%}", f"{wrong:.1%}") for name, (refused, wrong) in fit.errors.items()],
    )
    return f"```\n{constants}\n```\n\n{areas}\n\n{errors}"


if __name__ == "__main__":
    raise SystemExit(main())
