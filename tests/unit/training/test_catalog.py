"""Finished models: found again, stored once, made current last."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import msgspec
import pytest

from twin.artifacts import ArtifactStore, model_folder
from twin.errors import ArtifactError
from twin.training import VERSION, catalog
from twin.training.base_model import BaseModel
from twin.training.job import LocalTrainer, TrainedModel, TrainingJob, finished_model
from twin.training.recipe import Recipe

BASE = BaseModel(name="base", folder=Path("base"), gguf=None, sha256="ab")
JOB = TrainingJob(dataset_version="d1", base=BASE, recipe=Recipe(), train=Path("train.jsonl"))


class QuickTrainer(LocalTrainer):
    """Leaves what a training leaves, at once; each time other weights, unless it is told which."""

    runs = 0
    says: bytes | None = None

    def train(self, job: TrainingJob, on_progress: object = None) -> TrainedModel:
        self.runs += 1
        weights = self.says or f"weights {self.runs}".encode()
        folder = self.work / job.name / "model"
        folder.mkdir(parents=True)
        (folder / "model.gguf").write_bytes(weights)
        sums = {"model.gguf": hashlib.sha256(weights).hexdigest()}
        made_of = {"dataset_version": job.dataset_version, "recipe": job.recipe.hash, "trained_at": self.runs}
        (folder / "manifest.json").write_text(json.dumps({"file": "model.gguf", "sha256": sums, **made_of}))
        (self.work / job.name / "output").mkdir(exist_ok=True)
        (self.work / job.name / "output" / "train.log").write_text("a log")
        found = finished_model(folder)
        assert found is not None
        return found


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


@pytest.fixture
def trainer(tmp_path: Path) -> QuickTrainer:
    return QuickTrainer(tmp_path / "training")


def make(trainer: QuickTrainer, store: ArtifactStore, job: TrainingJob = JOB, *, force: bool = False) -> TrainedModel:
    model = catalog.find_or_train(job, trainer, store, force=force)
    return catalog.publish(job, model, trainer, store)


def registered(model: TrainedModel) -> dict[str, str]:
    """What the registry keeps of a model, as far as serving it goes."""
    return {
        "folder": catalog.folder_of(model_folder.address(model.manifest)),
        "sha256": model_folder.weights_sha256(model.manifest),
    }


def test_a_model_is_trained_once_and_kept_once_with_its_log(trainer: QuickTrainer, store: ArtifactStore) -> None:
    made, found = make(trainer, store), make(trainer, store)
    assert trainer.runs == 1
    assert found.reused
    assert made.servable.read_bytes() == found.servable.read_bytes() == b"weights 1"
    assert [path.name for path in (trainer.work / JOB.name).iterdir()] == ["output"]
    assert catalog.current(store).folder == made.folder


def test_a_model_is_the_current_one_only_when_it_is_published(trainer: QuickTrainer, store: ArtifactStore) -> None:
    catalog.find_or_train(JOB, trainer, store)
    with pytest.raises(ArtifactError, match="no fine-tuned model yet"):
        catalog.current(store)


def test_the_stored_model_stays_until_a_forced_training_has_made_another(
    trainer: QuickTrainer, store: ArtifactStore
) -> None:
    make(trainer, store)
    again = catalog.find_or_train(JOB, trainer, store, force=True)
    assert catalog.current(store).servable.read_bytes() == b"weights 1"
    catalog.publish(JOB, again, trainer, store)
    assert catalog.current(store).servable.read_bytes() == b"weights 2"


def test_each_version_keeps_its_own_weights_whatever_is_trained_later(
    trainer: QuickTrainer, store: ArtifactStore
) -> None:
    first = registered(make(trainer, store))
    second = registered(make(trainer, store, force=True))
    assert first["sha256"] != second["sha256"]
    for number, manifest in enumerate((first, second), start=1):
        folder, sha256 = catalog.pinned(store, f"1.{number}.0", manifest)
        assert (folder / "model.gguf").read_bytes() == f"weights {number}".encode()
        assert sha256 == manifest["sha256"]


def test_equal_weights_of_other_data_are_another_model_and_a_repetition_is_not(
    trainer: QuickTrainer, store: ArtifactStore
) -> None:
    trainer.says = b"the same weights"
    made = make(trainer, store)
    again = make(trainer, store, force=True)
    other = make(trainer, store, msgspec.structs.replace(JOB, dataset_version="d2"))
    assert again.folder == made.folder
    assert again.manifest["trained_at"] == 1, "what was stored first stays as it is"
    assert other.folder != made.folder
    assert other.manifest["dataset_version"] == "d2"


def test_weights_that_were_changed_are_not_given_out_and_are_made_again(
    trainer: QuickTrainer, store: ArtifactStore
) -> None:
    trainer.says = b"the weights"
    model = make(trainer, store)
    model.servable.write_bytes(b"the w")
    with pytest.raises(ArtifactError, match=r"model\.gguf is missing or not what was stored.*materialize train"):
        catalog.pinned(store, "1.0.0", registered(model))
    assert make(trainer, store).servable.read_bytes() == b"the weights"
    assert catalog.pinned(store, "1.0.0", registered(model))[0] == model.folder


def test_weights_put_in_the_place_of_those_that_were_approved_are_refused(
    trainer: QuickTrainer, store: ArtifactStore, tmp_path: Path
) -> None:
    approved = registered(make(trainer, store))
    forged = trainer.train(msgspec.structs.replace(JOB, dataset_version="d2"))
    store.put_folder(approved["folder"], forged.folder)  # whole, by its own manifests
    with pytest.raises(ArtifactError, match=r"other weights .* than version 1\.0\.0 was approved with"):
        catalog.pinned(store, "1.0.0", approved)


def test_a_version_whose_weights_were_pruned_says_so(trainer: QuickTrainer, store: ArtifactStore) -> None:
    approved = registered(make(trainer, store))
    store.delete_folder(approved["folder"])
    with pytest.raises(ArtifactError, match=r"weights of version 1\.0\.0 are not in .* pruned"):
        catalog.pinned(store, "1.0.0", approved)


def test_a_home_from_before_models_had_addresses_goes_on(trainer: QuickTrainer, store: ArtifactStore) -> None:
    old = trainer.train(JOB)
    store.put_folder(f"models/{JOB.name}", old.folder)
    store.write("fine_tuned_model.current", JOB.name.encode())
    assert catalog.current(store).servable.read_bytes() == b"weights 1"
    approved = {"folder": f"models/{JOB.name}", "sha256": model_folder.weights_sha256(old.manifest)}
    trainer.discard(JOB)
    assert make(trainer, store).reused
    assert trainer.runs == 1
    assert catalog.pinned(store, "1.0.0", approved)[1] == approved["sha256"]


def test_a_model_knows_the_job_that_made_it(trainer: QuickTrainer, store: ArtifactStore) -> None:
    model = make(trainer, store)
    whole = {**model.manifest, "code_version": VERSION, "base_sha256": BASE.sha256}
    assert msgspec.structs.replace(model, manifest=whole).job == JOB.name
