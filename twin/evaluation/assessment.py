"""The current model judged on the current dataset's held-out samples; an assessment that exists is not repeated."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from twin import datasets
from twin.artifacts.model_folder import weights_sha256
from twin.errors import ArtifactError
from twin.evaluation import model as model_evaluation
from twin.records import content_hash
from twin.serving.process import model_process
from twin.settings import EndpointSettings, read
from twin.training import catalog

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from twin.artifacts import ArtifactStore
    from twin.settings import TrainingSettings
    from twin.training.base_model import BaseModel
    from twin.training.progress import Progress

__all__ = ["VERSION", "Assessment", "assess", "latest", "registry_manifest"]

logger = logging.getLogger(__name__)

VERSION = "1"
"""Raise it when the same model would be scored differently."""

ANSWER_SECONDS = 600.0
"""Nobody waits for a single answer here, and a busy machine takes its time."""

LATEST = "model_evaluation.latest.json"


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """Scores, and what they are of."""

    key: str
    """Equal for equal model, held-out samples and method."""
    model: str
    """The address of the tuned model (`twin.training.catalog`)."""
    dataset_version: str
    scores: model_evaluation.ModelScores


def assess(
    store: ArtifactStore,
    base: BaseModel,
    settings: TrainingSettings,
    *,
    work: Path,
    on_progress: Callable[[Progress], None] | None = None,
) -> Assessment:
    """Scores the current model against its base, or finds that this was done before.

    Raises:
        ArtifactError: There is no model or no dataset yet.
        SettingsError: Nothing is held out.
        ModelUnavailable, PlatformError: A model could not be run.
    """
    address, dataset = catalog.current_address(store), datasets.current(store)
    tuned = catalog.stored(store, address)
    key = content_hash(VERSION, address, dataset.version, str(settings.evaluation_samples))[:32]
    kept = store.read(f"evaluations/{key}.json")
    if kept is not None and (earlier := _readable(kept)):
        store.write(LATEST, kept)
        return earlier
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for sample in dataset.train:
        texts[sample.author].append(sample.answer)
    endpoint = read(EndpointSettings).model_copy(update={"timeout_seconds": ANSWER_SECONDS})
    with (
        model_process(base.gguf or base.folder, settings=endpoint) as base_client,
        model_process(tuned.folder, settings=endpoint) as tuned_client,
    ):
        scores = model_evaluation.evaluate(
            model_evaluation.held_out(dataset.test, settings.evaluation_samples),
            base=base.folder,
            adapter=tuned.adapter,
            base_client=base_client,
            tuned_client=tuned_client,
            author_texts=texts,
            work=work,
            on_progress=on_progress,
        )
    result = Assessment(key=key, model=address, dataset_version=dataset.version, scores=scores)
    encoded = msgspec.json.encode(result)
    store.write(f"evaluations/{key}.json", encoded)
    store.write(LATEST, encoded)
    return result


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


def registry_manifest(store: ArtifactStore, assessment: Assessment) -> dict[str, Any]:
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
        "scores": assessment.scores.as_metadata(),
        "examples": msgspec.to_builtins(assessment.scores.examples),
    }
