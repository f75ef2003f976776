"""Finished models: found again, stored once, made current last."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from twin.artifacts import ArtifactStore
from twin.errors import ArtifactError
from twin.training import catalog
from twin.training.base_model import BaseModel
from twin.training.job import LocalTrainer, TrainedModel, TrainingJob, finished_model
from twin.training.recipe import Recipe

BASE = BaseModel(name="base", folder=Path("base"), gguf=None, sha256="ab")
JOB = TrainingJob(dataset_version="d1", base=BASE, recipe=Recipe(), train=Path("train.jsonl"))


class QuickTrainer(LocalTrainer):
    """Leaves what a training leaves, at once; each time another model."""

    runs = 0

    def train(self, job: TrainingJob, on_progress: object = None) -> TrainedModel:
        self.runs += 1
        weights = f"weights {self.runs}".encode()
        folder = self.work / job.name / "model"
        folder.mkdir(parents=True)
        (folder / "model.gguf").write_bytes(weights)
        sums = {"model.gguf": hashlib.sha256(weights).hexdigest()}
        (folder / "manifest.json").write_text(json.dumps({"file": "model.gguf", "sha256": sums}))
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


def make(trainer: QuickTrainer, store: ArtifactStore, *, force: bool = False) -> TrainedModel:
    model = catalog.find_or_train(JOB, trainer, store, force=force)
    return catalog.publish(JOB, model, trainer, store)


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
