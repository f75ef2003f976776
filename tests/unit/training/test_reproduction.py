"""A version trained again from its manifest: with what, and whether it is the same."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from twin import datasets
from twin.artifacts import ArtifactStore
from twin.datasets import InstructDataset
from twin.errors import ArtifactError
from twin.training import VERSION
from twin.training.base_model import BaseModel
from twin.training.job import LocalTrainer, TrainedModel, TrainingJob, finished_model
from twin.training.recipe import Recipe
from twin.training.reproduction import reproduce

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = Recipe(lora_r=8, seed=7)


class Echo(LocalTrainer):
    """Makes an adapter that holds what it was made of."""

    def train(self, job: TrainingJob, on_progress: object = None) -> TrainedModel:
        folder = self._root(job) / "model"
        (folder / "adapter").mkdir(parents=True)
        made = {
            "adapter/adapter_model.safetensors": f"{job.recipe.hash}{job.dataset_version}",
            "adapter/adapter_config.json": "{}",
            "model.gguf": "merged",
        }
        for name, text in made.items():
            (folder / name).write_text(text)
        sums = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in made.items()}
        (folder / "manifest.json").write_text(json.dumps({"file": "model.gguf", "sha256": sums}))
        found = finished_model(folder)
        assert found is not None
        return found


@pytest.fixture
def base(tmp_path: Path) -> BaseModel:
    return BaseModel(name="base", folder=tmp_path, gguf=None, sha256="ab" * 32)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "store"))


@pytest.fixture
def manifest(store: ArtifactStore, base: BaseModel, tmp_path: Path) -> dict[str, Any]:
    """Of a version that was trained on a dataset which is no longer the current one."""
    dataset = InstructDataset(train=[], test=[], rejected={}, test_documents=frozenset(), writer="w")
    datasets.publish(store, dataset)
    job = TrainingJob(dataset_version=dataset.version, base=base, recipe=RECIPE, train=tmp_path)
    store.put_folder("models/a", Echo(tmp_path / "first").train(job).folder)
    return {
        "folder": "models/a",
        "dataset_version": dataset.version,
        "hyperparameters": msgspec.structs.asdict(RECIPE),
        "base_model": base.name,
        "base_sha256": base.sha256,
        "code_version": VERSION,
    }


def test_the_same_inputs_make_the_same_adapter_and_leave_nothing(
    store: ArtifactStore, manifest: dict[str, Any], base: BaseModel, tmp_path: Path
) -> None:
    trainer = Echo(tmp_path / "again")
    assert reproduce(store, manifest, base, trainer).is_equal
    assert reproduce(store, manifest, base, trainer).is_equal
    assert not list((tmp_path / "again").rglob("model"))


def test_an_adapter_of_another_seed_is_told_from_the_registered_one(
    store: ArtifactStore, manifest: dict[str, Any], base: BaseModel, tmp_path: Path
) -> None:
    other = {**manifest, "hyperparameters": msgspec.structs.asdict(Recipe(seed=8))}
    assert not reproduce(store, other, base, Echo(tmp_path / "again")).is_equal


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"code_version": "0"}, "checkout of then"),
        ({"base_sha256": "cd"}, "Set BASE_MODEL"),
        ({"dataset_version": "gone"}, "gone"),
        ({"folder": "models/pruned"}, "pruned"),
    ],
)
def test_what_cannot_be_made_again_says_why(
    store: ArtifactStore, manifest: dict[str, Any], base: BaseModel, tmp_path: Path, change: dict, why: str
) -> None:
    with pytest.raises(ArtifactError, match=why):
        reproduce(store, manifest | change, base, Echo(tmp_path / "again"))


def test_a_manifest_that_names_no_recipe_cannot_be_made_again(
    store: ArtifactStore, manifest: dict[str, Any], base: BaseModel, tmp_path: Path
) -> None:
    del manifest["hyperparameters"]
    with pytest.raises(ArtifactError, match="its hyperparameters"):
        reproduce(store, manifest, base, Echo(tmp_path / "again"))
