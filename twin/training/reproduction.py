"""A registered model made again from what its manifest names, to see whether it is the same."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import msgspec

from twin import datasets
from twin.artifacts import model_folder
from twin.datasets import preferences
from twin.errors import ArtifactError
from twin.training import VERSION, catalog
from twin.training.job import TrainingJob
from twin.training.recipe import Recipe, from_hyperparameters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twin.artifacts import ArtifactStore
    from twin.training.base_model import BaseModel
    from twin.training.job import Trainer
    from twin.training.progress import Progress

__all__ = ["Reproduction", "reproduce"]

ADAPTER = "adapter/"


class Reproduction(msgspec.Struct, frozen=True, kw_only=True):
    """What came of training a version again."""

    registered: dict[str, str]
    """The files of the adapter that was registered, to their sha256."""
    made: dict[str, str]
    """Those of the one that was made now."""
    seconds: float

    @property
    def is_equal(self) -> bool:
        """Whether the weights of the two adapters are the same, byte for byte."""
        return _weights(self.registered) == _weights(self.made) != {}


def reproduce(
    store: ArtifactStore,
    manifest: Mapping[str, Any],
    base: BaseModel,
    trainer: Trainer,
    on_progress: Callable[[Progress], None] | None = None,
) -> Reproduction:
    """Trains with the dataset, the recipe (which has the seed) and the base model that a version's manifest names.

    Nothing of it is published: the trainer forgets the model again. Give it a trainer whose folder is its own.

    Raises:
        ArtifactError: The weights or the dataset are no longer stored, or base model or code are others now.
        SettingsError: The recipe is one of another version of the code.
        TrainingFailed: With the train program's reason.
    """
    _check_inputs(manifest, base)
    registered = model_folder.manifest_in(store.get_folder(manifest["folder"]))
    dataset = datasets.stored(store, manifest["dataset_version"])
    pairs = manifest.get("preference_version", "")
    began = time.monotonic()
    with TemporaryDirectory() as folder:
        datasets.write_channels(dataset, Path(folder))
        job = TrainingJob(
            dataset_version=dataset.version,
            base=base,
            recipe=from_hyperparameters(manifest["hyperparameters"], Recipe),
            train=Path(folder, "train", "samples.jsonl"),
            test=Path(folder, "test", "samples.jsonl"),
            preference=preferences.write_channel(preferences.stored(store, pairs), Path(folder)) if pairs else None,
            preference_version=pairs,
        )
        made = catalog.find_or_train(job, trainer, store, force=True, on_progress=on_progress)
        trainer.discard(job)
    return Reproduction(registered=_adapter(registered), made=_adapter(made.manifest), seconds=time.monotonic() - began)


def _check_inputs(manifest: Mapping[str, Any], base: BaseModel) -> None:
    if missing := [
        name for name in ("folder", "dataset_version", "hyperparameters", "base_sha256") if name not in manifest
    ]:
        raise ArtifactError(f"The version's manifest does not name its {missing[0]}, so it cannot be made again.")
    if manifest["base_sha256"] != base.sha256:
        raise ArtifactError(
            f"The version was trained from {manifest.get('base_model')} ({manifest['base_sha256'][:12]}), and "
            f"BASE_MODEL is {base.name} ({base.sha256[:12]}). Set BASE_MODEL to the one of then."
        )
    if manifest.get("code_version") != VERSION:
        raise ArtifactError(
            f"The version was trained by version {manifest.get('code_version')} of the training code, and this is "
            f"{VERSION}: another model would be made. Run this in a checkout of then."
        )


def _adapter(manifest: Mapping[str, Any]) -> dict[str, str]:
    return {name: digest for name, digest in manifest["sha256"].items() if name.startswith(ADAPTER)}


def _weights(files: Mapping[str, str]) -> dict[str, str]:
    return {name: digest for name, digest in files.items() if name.endswith((".safetensors", ".bin"))}
