"""Finished models in the artifact store: each under the hash of its content, found before it is trained again.

folders/models/<address>/              a model's files; written once, whatever is trained later
jobs/<name of the job>                 the address of the model that a training job made last
fine_tuned_model.current               the address of the model that was made last of all
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

from twin.artifacts import model_folder
from twin.errors import ArtifactError
from twin.training.job import TrainedModel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from twin.artifacts import ArtifactStore
    from twin.training.job import Trainer, TrainingJob
    from twin.training.progress import Progress

__all__ = [
    "current",
    "current_address",
    "current_manifest",
    "find_or_train",
    "folder_of",
    "pinned",
    "publish",
    "stored",
]

MODELS = "models"
CURRENT = "fine_tuned_model.current"

logger = logging.getLogger(__name__)


def find_or_train(
    job: TrainingJob,
    trainer: Trainer,
    store: ArtifactStore,
    *,
    force: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> TrainedModel:
    """The job's model, from the store where it is there whole, else trained; `publish` makes it the current one.

    Raises:
        TrainingFailed: With the train program's reason.
    """
    if force:
        trainer.discard(job)
    elif (model := _made_before(job, store)) is not None:
        return model
    return trainer.train(job, on_progress)


def publish(job: TrainingJob, model: TrainedModel, trainer: Trainer, store: ArtifactStore) -> TrainedModel:
    """Stores the job's model and makes it the current one; the trainer then keeps no second copy of it."""
    address = model_folder.address(model.manifest)
    try:
        kept = stored(store, address)
    except ArtifactError:
        store.delete_folder(folder_of(address))  # what is left of a damaged one
        store.put_folder(folder_of(address), model.folder)
        kept = stored(store, address)
    store.write(_made_by(job), address.encode())
    store.write(CURRENT, address.encode())
    trainer.discard(job)
    return msgspec.structs.replace(kept, reused=model.reused, ran=model.ran)


def current(store: ArtifactStore) -> TrainedModel:
    """The model that was made last.

    Raises:
        ArtifactError: None was made yet, or its files are damaged.
    """
    return stored(store, current_address(store))


def current_address(store: ArtifactStore) -> str:
    """The address of the model that was made last.

    Raises:
        ArtifactError: None was made yet.
    """
    address = store.read(CURRENT)
    if address is None:
        raise ArtifactError("There is no fine-tuned model yet. Make one with `llm-twin materialize train`.")
    return address.decode()


def current_manifest(store: ArtifactStore) -> tuple[str, dict[str, Any]] | None:
    """The address and the manifest of the model that was made last, its other files unread; None where none was made.

    Raises:
        ArtifactError: It was made, and its manifest is not there or damaged.
    """
    address = store.read(CURRENT)
    if address is None:
        return None
    content = store.read(f"folders/{folder_of(address.decode())}/{model_folder.MANIFEST}")
    try:
        return address.decode(), msgspec.json.decode(content or b"", type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise ArtifactError(f"The manifest of the current model cannot be read: {error}.") from error


def stored(store: ArtifactStore, address: str) -> TrainedModel:
    """The model at an address, every file of it checked.

    Raises:
        ArtifactError: It is not there, or a file is damaged.
    """
    folder = store.get_folder(folder_of(address))
    return TrainedModel(folder=folder, manifest=model_folder.manifest_in(folder), reused=True)


def pinned(store: ArtifactStore, version: str, manifest: Mapping[str, Any]) -> tuple[Path, str]:
    """A version's own weights: their folder, every file of it checked, and the hash that a person approved.

    Args:
        store: Where models are.
        version: What the version is called.
        manifest: What the registry keeps of it.

    Raises:
        ArtifactError: They were pruned or are damaged, or are not what was approved.
    """
    if not store.exists(manifest["folder"]):
        raise ArtifactError(
            f"The weights of version {version} are not in {store.url}: they were pruned, or another machine has them. "
            "Approve a version whose weights are there: `llm-twin models list`."
        )
    folder, approved = store.get_folder(manifest["folder"]), manifest["sha256"]
    found = model_folder.weights_sha256(model_folder.manifest_in(folder))
    if found != approved:
        raise ArtifactError(
            f"{folder} holds other weights ({found}) than version {version} was approved with ({approved}). "
            "Register and approve them first: `llm-twin materialize train`."
        )
    return folder, approved


def folder_of(address: str) -> str:
    """The name in the artifact store of the model at an address."""
    return f"{MODELS}/{address}"


def _made_before(job: TrainingJob, store: ArtifactStore) -> TrainedModel | None:
    known = store.read(_made_by(job))
    address = known.decode() if known is not None else job.name  # where models were kept before they had addresses
    if not store.exists(folder_of(address)):
        return None
    try:
        return stored(store, address)
    except ArtifactError as error:
        logger.warning("%s It is made again now.", error)
        return None


def _made_by(job: TrainingJob) -> str:
    return f"jobs/{job.name}"
