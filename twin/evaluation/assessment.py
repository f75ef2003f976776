"""The current model judged on the current dataset's held-out samples; an assessment that exists is not repeated.

Each is kept in the artifact store as evaluations/<key>.json.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from twin import datasets
from twin.artifacts.model_folder import weights_sha256
from twin.errors import ArtifactError
from twin.evaluation import model as model_evaluation
from twin.evaluation.held_out import held_out
from twin.evaluation.interview import Interview, base_of, candidate_of, decoding
from twin.records import content_hash
from twin.training import catalog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from twin.artifacts import ArtifactStore
    from twin.evaluation.gate import GateDecision
    from twin.evaluation.held_out import HeldOut
    from twin.evaluation.interview import Contender
    from twin.records import InstructSample
    from twin.settings import TrainingSettings
    from twin.training.base_model import BaseModel
    from twin.training.progress import Progress

__all__ = ["VERSION", "Assessment", "assess", "latest", "registry_manifest"]

logger = logging.getLogger(__name__)

VERSION = "2"
"""Raise it when the same model would be scored differently."""

LATEST = "model_evaluation.latest.json"


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """Scores, and what they are of."""

    key: str
    """Equal for equal models, questions, passages and method."""
    model: str
    """The address of the tuned model (`twin.training.catalog`)."""
    dataset_version: str
    production: str | None = None
    """The version in production that it was compared with; None where there was no other model."""
    scores: model_evaluation.ModelScores


def assess(
    store: ArtifactStore,
    base: BaseModel,
    settings: TrainingSettings,
    *,
    work: Path,
    find: Callable[[str, str], list[str]] | None = None,
    production: Contender | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Assessment:
    """Scores the current model against its base and the model in production, or finds that this was done before.

    `find` gives the passages that the twin shows for an instruction and an author; without it a sample's own context
    is shown. What a model said and how surprised it was is kept, so that a retraining asks the candidate alone.

    Raises:
        ArtifactError: There is no model or no dataset yet.
        SettingsError: Nothing is held out.
        IndexUnavailable, ModelUnavailable, PlatformError: Passages could not be found, or a model could not be run.
    """
    address, dataset = catalog.current_address(store), datasets.current(store)
    candidate = candidate_of(catalog.stored(store, address))
    rival = production if production and production.weights != candidate.weights else None
    questions = held_out(dataset.test, settings.evaluation_samples, find)
    key = _key(address, dataset.version, rival, questions)
    if earlier := _earlier(store, key):
        return earlier
    interview = Interview(store, base, work, on_progress)
    scores = model_evaluation.score(
        questions,
        interview.said(candidate, questions),
        interview.said(base_of(base), questions),
        production=interview.said(rival, questions) if rival else None,
        author_texts=_training_texts(dataset.train),
    )
    result = Assessment(
        key=key,
        model=address,
        dataset_version=dataset.version,
        production=rival.name if rival else None,
        scores=scores,
    )
    encoded = msgspec.json.encode(result)
    store.write(f"evaluations/{key}.json", encoded)
    store.write(LATEST, encoded)
    return result


def _key(address: str, dataset_version: str, rival: Contender | None, questions: Sequence[HeldOut]) -> str:
    asked = msgspec.json.encode(questions).decode()
    return content_hash(VERSION, address, dataset_version, rival.weights if rival else "", *decoding(), asked)[:32]


def _earlier(store: ArtifactStore, key: str) -> Assessment | None:
    """The same assessment, made before, which is then the latest again."""
    kept = store.read(f"evaluations/{key}.json")
    found = _readable(kept) if kept is not None else None
    if kept is not None and found is not None:
        store.write(LATEST, kept)
    return found


def _training_texts(samples: Sequence[InstructSample]) -> dict[str, list[str]]:
    """What each author's training answers say."""
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for sample in samples:
        texts[sample.author].append(sample.answer)
    return texts


def latest(store: ArtifactStore) -> Assessment:
    """The assessment that was made or found last.

    Raises:
        ArtifactError: There is none.
    """
    kept = store.read(LATEST)
    found = _readable(kept) if kept is not None else None
    if found is None:
        raise ArtifactError("No model was evaluated yet. Materialize model_evaluation: `llm-twin materialize train`.")
    return found


def _readable(kept: bytes) -> Assessment | None:
    """The assessment, unless another version wrote it otherwise: then the model is evaluated anew."""
    try:
        return msgspec.json.decode(kept, type=Assessment)
    except msgspec.DecodeError as error:
        logger.warning("A kept assessment of a model cannot be read; it is made anew: %s", error)
        return None


def registry_manifest(store: ArtifactStore, assessment: Assessment, decision: GateDecision) -> dict[str, Any]:
    """What the registry keeps of a model: small, and enough to find, verify, judge and repeat it."""
    model, folder = catalog.stored(store, assessment.model), catalog.folder_of(assessment.model)
    return {
        "uri": f"folders/{folder}",
        "folder": folder,
        "job": model.job,
        "sha256": weights_sha256(model.manifest),
        **{
            name: model.manifest[name]
            for name in ("base_model", "base_sha256", "dataset_version", "code_version", "hyperparameters")
        },
        "preference_version": model.manifest.get("preference_version", ""),
        "scores": assessment.scores.as_metadata(),
        "gate": decision.as_manifest() | {"production": assessment.production},
        "examples": msgspec.to_builtins(assessment.scores.examples),
    }
