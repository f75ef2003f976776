"""Fits what retrieval decides and ranks by: the reranker's weights, and the probability that a passage is relevant.

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
"""RAG_TOP_K's default: one relevant passage of so many is enough to answer, where relevance does not rank."""
MOST_PROXIMITY = 3.0
"""No question of XQuAD is quoted by a page that does not answer it, so the fit overrates a quotation. With more, a page
that quotes a question stands above the passage that answers it in `tests/unit/retrieval/test_relevance.py`."""
DEPTH = 10
"""Of MRR."""
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
    result |= {"calibration": fit.calibration._asdict(), "roc_auc": fit.areas, "errors": fit.errors, "mrr": fit.mrr}
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
    mrr: dict[str, tuple[float, float]]
    """By what ranks: on the tune half and on the report half."""


def fit_relevance(cases: Sequence[Case], indexed: int, weights: Weights) -> Fit:
    """Logistic regressions on the first passage of each ranking."""
    reranker = ProximityReranker(weights)
    ranked = [reranker.rerank(case.asked.text, case.found) for case in cases]
    answered = np.array([_figures(case.asked.text, found, indexed) for case, found in zip(cases, ranked, strict=True)])
    unanswered = np.array(
        [_figures(case.asked.text, reranker.rerank(case.asked.text, case.left_out), indexed) for case in cases]
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
    calibration = _with_proximity(calibration, tune, labels)
    fallback = Calibration(
        round(float(words.intercept_[0]), 2), 0.0, round(float(words.coef_[0][0]), 2), 0.0, 0.0, NEVER
    )
    kept, others = answered[reported], unanswered[reported]
    judged = {
        "calibrated": (_likeliest(calibration, kept), _likeliest(calibration, others)),
        "words alone": (_likeliest(fallback, kept[:, :SHOWN]), _likeliest(fallback, others[:, :SHOWN])),
        "cosine alone": (kept[:, :SHOWN, 0].max(axis=1), others[:, :SHOWN, 0].max(axis=1)),
    }
    errors = {f"probability {least}": _errors(*judged["calibrated"], least) for least in THRESHOLDS}
    errors[f"words alone {LEAST}"] = _errors(*judged["words alone"], LEAST)
    errors["cosine 0.28"] = _errors(*judged["cosine alone"], 0.28)
    areas = {name: _area(*values) for name, values in judged.items()}
    right = [
        [passage.document_id == case.asked.document for passage in found]
        for case, found in zip(cases, ranked, strict=True)
    ]
    relevances = [[calibration.probability(*passage) for passage in passages] for passages in answered]
    return Fit(calibration, fallback, areas, errors, _compared(right, relevances, reported))


def _with_proximity(calibration: Calibration, tune: np.ndarray, labels: np.ndarray) -> Calibration:
    """The calibration with what proximity adds to its log-odds and what its absence takes, by maximum likelihood."""
    log_odds = np.array([_log_odds(calibration.probability(*passage[:2])) for passage in tune])

    def loss(proximity: float, apart: float) -> float:
        added = log_odds + proximity * tune[:, 2] + apart
        return float((np.logaddexp(0, added) - labels * added).mean())

    likeliest = minimize(lambda figures: loss(*figures), np.zeros(2)).x
    proximity = round(min(float(likeliest[0]), MOST_PROXIMITY), 2)
    apart = minimize(lambda figures: loss(proximity, figures[0]), np.zeros(1)).x[0]
    return calibration._replace(proximity=proximity, apart=round(float(apart), 2))


def _log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))


def _compared(
    right: Sequence[Sequence[bool]], relevances: Sequence[Sequence[float]], reported: np.ndarray
) -> dict[str, tuple[float, float]]:
    """The mean reciprocal rank of the reranker's order and of the relevance's, on each half."""
    by_relevance = [
        [one for _, one in sorted(zip(scores, ones, strict=True), key=lambda pair: -pair[0])]
        for scores, ones in zip(relevances, right, strict=True)
    ]
    orders = {"the reranker": right, "relevance": by_relevance}
    ranks = {name: np.array([_reciprocal_rank(ones) for ones in order]) for name, order in orders.items()}
    return {name: (float(each[~reported].mean()), float(each[reported].mean())) for name, each in ranks.items()}


def _reciprocal_rank(right: Sequence[bool]) -> float:
    return next((1 / rank for rank, one in enumerate(right[:DEPTH], start=1) if one), 0.0)


def _likeliest(calibration: Calibration, figures: np.ndarray) -> np.ndarray:
    """The probability of the likeliest passage of each question."""
    return np.array([max(calibration.probability(*passage) for passage in passages) for passages in figures])


def _errors(answered: np.ndarray, unanswered: np.ndarray, least: float) -> tuple[float, float]:
    return float((answered < least).mean()), float((unanswered >= least).mean())


def _figures(question: str, passages: Sequence[Passage], indexed: int) -> list[tuple[float, float, float]]:
    """What `twin.retrieval.relevance` looks at: the cosine, the share of words, how near together they stand."""
    words = len(bm25().embed_query(question).indices)
    return [
        (passage.similarity or 0.0, word_share(passage.bm25, words, indexed) or 0.0, found.pairs + found.together)
        for passage, found in zip(passages, evidence(question, passages), strict=True)
    ]


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
    mrr = table(
        [f"what ranks (MRR@{DEPTH})", "tune half", "report half"],
        [(name, f"{tune:.4f}", f"{report:.4f}") for name, (tune, report) in fit.mrr.items()],
    )
    return f"```\n{constants}\n```\n\n{areas}\n\n{errors}\n\n{mrr}"


if __name__ == "__main__":
    raise SystemExit(main())
