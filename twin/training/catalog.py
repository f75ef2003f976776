"""Finished models in the artifact store: found before they are trained again, and described for the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from twin.errors import ArtifactError
from twin.records import content_hash
from twin.training.job import TrainedModel, finished_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from twin.artifacts import ArtifactStore
    from twin.evaluation.assessment import Assessment
    from twin.training.job import Trainer, TrainingJob
    from twin.training.progress import Progress

__all__ = ["current", "data_version", "find_or_train", "folder_of", "publish", "registry_manifest"]

CURRENT = "fine_tuned_model.current"
"""The file in the artifact store that names the current model."""


def find_or_train(
    job: TrainingJob,
    trainer: Trainer,
    store: ArtifactStore,
    *,
    force: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> TrainedModel:
    """The job's model, from the store where it is there, else trained; `publish` makes it the current one.

    Raises:
        TrainingFailed: With the train program's reason.
    """
    if force:
        trainer.discard(job)
    elif store.exists(folder_of(job.name)):
        return _stored(store, job.name)
    return trainer.train(job, on_progress)


def publish(job: TrainingJob, model: TrainedModel, trainer: Trainer, store: ArtifactStore) -> TrainedModel:
    """Stores the job's model and makes it the current one; the trainer then keeps no second copy of it."""
    store.put_folder(folder_of(job.name), model.folder)
    store.write(CURRENT, job.name.encode())
    trainer.discard(job)
    return msgspec.structs.replace(model, folder=store.get_folder(folder_of(job.name)))


def current(store: ArtifactStore) -> TrainedModel:
    """The model that was made last.

    Raises:
        ArtifactError: None was made yet, or its files are damaged.
    """
    name = store.read(CURRENT)
    if name is None:
        raise ArtifactError("There is no fine-tuned model yet. Make one with `llm-twin materialize train`.")
    return _stored(store, name.decode())


def folder_of(job: str) -> str:
    """The name of a job's model in the artifact store."""
    return f"models/{job}"


def data_version(model: TrainedModel) -> str:
    """Changes exactly when a file of the model changes."""
    return content_hash(*(f"{name}={digest}" for name, digest in sorted(model.manifest["sha256"].items())))[:32]


def registry_manifest(store: ArtifactStore, assessment: Assessment) -> dict[str, Any]:
    """What the registry keeps of a model: small, and enough to find, verify, judge and repeat it."""
    model = _stored(store, assessment.model)
    return {
        "uri": f"{store.url}/folders/{folder_of(assessment.model)}",
        "folder": folder_of(assessment.model),
        "job": assessment.model,
        "sha256": data_version(model),
        **{
            name: model.manifest[name]
            for name in ("base_model", "base_sha256", "dataset_version", "code_version", "hyperparameters")
        },
        "scores": assessment.scores.as_metadata(),
        "examples": msgspec.to_builtins(assessment.scores.examples),
    }


def _stored(store: ArtifactStore, job: str) -> TrainedModel:
    model = finished_model(store.get_folder(folder_of(job)))
    if model is None:
        raise ArtifactError(f"The stored model {job} has no manifest. Run `llm-twin materialize train --force`.")
    return model
