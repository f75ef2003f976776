from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import msgspec
import pytest

from twin.training.base_model import BaseModel
from twin.training.job import TrainingJob, finished_model
from twin.training.recipe import Recipe

BASE = BaseModel(name="base", folder=Path("base"), gguf=None, sha256="ab")
JOB = TrainingJob(dataset_version="d1", base=BASE, recipe=Recipe(), train=Path("train.jsonl"))


@pytest.mark.parametrize(
    "change",
    [
        {"dataset_version": "d2"},
        {"base": msgspec.structs.replace(BASE, sha256="cd")},
        {"recipe": Recipe(seed=7)},
        {"preference_version": "p1"},
    ],
)
def test_whatever_changes_the_model_changes_the_jobs_name(change: dict) -> None:
    assert msgspec.structs.replace(JOB, **change).name != JOB.name


@pytest.mark.parametrize("change", [{"train": Path("elsewhere.jsonl")}, {"save_steps": 1}])
def test_whatever_does_not_change_the_model_keeps_the_jobs_name(change: dict) -> None:
    assert msgspec.structs.replace(JOB, **change).name == JOB.name


def test_the_name_is_one_that_sagemaker_accepts() -> None:
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", JOB.name)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model.gguf").write_bytes(b"weights")
    sums = {"model.gguf": hashlib.sha256(b"weights").hexdigest()}
    (tmp_path / "manifest.json").write_text(json.dumps({"file": "model.gguf", "sha256": sums}))
    return tmp_path


def test_a_whole_model_is_found(model: Path) -> None:
    found = finished_model(model)
    assert found is not None
    assert found.servable == model / "model.gguf"
    assert found.reused


@pytest.mark.parametrize("damage", ["manifest", "file", "content"])
def test_a_model_that_is_not_whole_is_none(model: Path, damage: str) -> None:
    if damage == "content":
        (model / "model.gguf").write_bytes(b"weight")
    else:
        (model / ("manifest.json" if damage == "manifest" else "model.gguf")).unlink()
    assert finished_model(model) is None
