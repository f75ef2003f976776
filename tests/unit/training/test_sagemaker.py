"""What SageMaker is asked for, what it costs, and what its container checks; whole jobs are in integration."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import msgspec
import pytest

from twin.artifacts.model_folder import FOLDER_MANIFEST, file_sha256
from twin.artifacts.store import FolderManifest
from twin.aws.prices import price_of
from twin.aws.storage import Storage, files_in
from twin.errors import ArtifactError, SettingsError, TrainingFailed
from twin.settings import AwsSettings, SageMakerSettings
from twin.training import VERSION
from twin.training.base_model import BaseModel
from twin.training.job import TrainingJob
from twin.training.program.container import Container
from twin.training.program.sagemaker import check
from twin.training.recipe import Recipe, to_hyperparameters
from twin.training.sagemaker import cost, request
from twin.training.sagemaker.request import request_for

if TYPE_CHECKING:
    from twin.training.sagemaker.request import JobRequest

GIVEN = {"SAGEMAKER_BUCKET": "s3://bucket/twin", "SAGEMAKER_ROLE": "role", "SAGEMAKER_TRAINING_IMAGE": "image:1"}


def job(base: Path = Path("base"), **changes: Any) -> TrainingJob:
    model = BaseModel(name="base", folder=base, gguf=None, sha256="ab" * 32)
    given: dict[str, Any] = {
        "dataset_version": "d1",
        "base": model,
        "recipe": Recipe(),
        "train": Path("t.jsonl"),
        **changes,
    }
    return TrainingJob(**given)


def asked(given: dict[str, str] | None = None, *, attempt: int = 1, **changes: Any) -> JobRequest:
    values = GIVEN | (given or {})
    storage = Storage(boto3.Session("a", "b", region_name="us-east-1"), values["SAGEMAKER_BUCKET"])
    aws, settings = AwsSettings.model_validate(values), SageMakerSettings.model_validate(values)
    return request_for(job(**changes), attempt, storage, aws, settings)


def test_equal_jobs_ask_for_the_same_and_attempts_share_input_and_checkpoints() -> None:
    assert asked() == asked()
    first, second = asked(), asked(attempt=2)
    assert second.name == f"{first.name}-2"
    assert (second.channels, second.checkpoints) == (first.channels, first.checkpoints)
    assert first.channels == {
        "train": f"s3://bucket/twin/jobs/{first.name}/input/train/",
        "base": f"s3://bucket/twin/bases/{'ab' * 16}/",
    }


def test_preference_pairs_are_a_channel_where_there_are_any() -> None:
    assert set(asked(preference=Path("p.jsonl"), preference_version="p1").channels) == {"train", "base", "preference"}


def test_the_hyperparameters_are_those_of_the_programs_contract() -> None:
    values = asked().hyperparameters
    assert values["code_version"] == VERSION
    assert values["dataset_version"] == "d1"
    assert all(isinstance(value, str) for value in values.values())


def test_spot_vpc_kms_and_tags_are_as_the_settings_have_them() -> None:
    plain = asked()
    assert (plain.wait_seconds, plain.subnets, plain.kms_key, plain.max_seconds) == (None, [], None, 4 * 3600)
    given = {
        "SAGEMAKER_SPOT": "true",
        "SAGEMAKER_MAX_HOURS": "2",
        "SAGEMAKER_SPOT_WAIT_HOURS": "1",
        "AWS_SUBNETS": "subnet-1, subnet-2",
        "AWS_SECURITY_GROUPS": "sg-1",
        "AWS_KMS_KEY": "key",
        "AWS_TAGS": "team=writing",
    }
    told = asked(given)
    assert (told.max_seconds, told.wait_seconds) == (2 * 3600, 3 * 3600)
    assert (told.subnets, told.security_groups, told.kms_key) == (["subnet-1", "subnet-2"], ["sg-1"], "key")
    assert told.tags == {
        "application": "llm-twin",
        "job": told.name,
        "dataset-version": "d1",
        "base-model": "base",
        "team": "writing",
    }


def test_what_is_missing_is_named() -> None:
    with pytest.raises(SettingsError, match="needs SAGEMAKER_ROLE, SAGEMAKER_TRAINING_IMAGE"):
        request.check(AwsSettings(), SageMakerSettings.model_validate({"SAGEMAKER_BUCKET": "s3://b"}))
    with pytest.raises(SettingsError, match="go together"):
        asked({"AWS_SUBNETS": "subnet-1"})
    with pytest.raises(SettingsError, match="SAGEMAKER_BUCKET=/tmp"):
        asked({"SAGEMAKER_BUCKET": "/tmp"})  # noqa: S108


def test_the_cost_follows_the_models_size_and_is_bounded_by_the_longest_run(tmp_path: Path) -> None:
    header = json.dumps({"w": {"dtype": "BF16", "shape": [1000, 1000], "data_offsets": [0, 0]}, "__metadata__": {}})
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header.encode())
    assert cost.parameters_in(tmp_path) == 1_000_000

    small = job(tmp_path, recipe=Recipe(max_steps=10_000, max_length=2048))
    seconds = cost.expected_seconds(small, "ml.g5.xlarge")
    assert seconds == pytest.approx(cost.OVERHEAD_SECONDS + 10_000 * 2048 * 4e6 / (70e12 * cost.UTILISATION))
    price = price_of("ml.g5.xlarge", AwsSettings())
    expense = cost.expense_of(small, price, max_seconds=3600)
    assert (expense.expected_usd, expense.most_usd) == (price.usd(seconds), price.usd(3600))


@pytest.fixture
def container(tmp_path: Path) -> Container:
    """As the platform lays a job out."""
    channel, config = tmp_path / "input/data/train", tmp_path / "input/config"
    channel.mkdir(parents=True)
    config.mkdir()
    (channel / "samples.jsonl").write_text("{}\n")
    manifest = FolderManifest(files={"samples.jsonl": file_sha256(channel / "samples.jsonl")})
    (channel / FOLDER_MANIFEST).write_bytes(msgspec.json.encode(manifest))
    (config / "hyperparameters.json").write_text(json.dumps(to_hyperparameters(job().provenance)))
    return Container(tmp_path)


def test_a_job_whose_input_is_whole_may_begin(container: Container) -> None:
    check(container)


@pytest.mark.parametrize("damage", ["changed", "missing", "no list"])
def test_input_that_is_not_what_was_sent_is_refused(container: Container, damage: str) -> None:
    channel = container.channel("train")
    if damage == "changed":
        (channel / "samples.jsonl").write_text("[]\n")
    else:
        (channel / (FOLDER_MANIFEST if damage == "no list" else "samples.jsonl")).unlink()
    with pytest.raises(ArtifactError, match="'train'"):
        check(container)


def test_an_image_of_another_version_of_the_code_is_refused(container: Container) -> None:
    values = to_hyperparameters(msgspec.structs.replace(job().provenance, code_version="0"))
    (container.root / "input/config/hyperparameters.json").write_text(json.dumps(values))
    with pytest.raises(TrainingFailed, match=f"version 0 of the training code, and the image has {VERSION}"):
        check(container)


def test_hidden_files_and_lists_of_files_are_not_sent(tmp_path: Path) -> None:
    for name in ("a.txt", "b/c.txt", ".cache/d", FOLDER_MANIFEST):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert sorted(files_in(tmp_path)) == ["a.txt", "b/c.txt"]
