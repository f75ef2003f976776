"""Training on SageMaker: through its own SDK, against a double that really runs the train program."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.integration import sagemaker_double
from tests.integration.tiny_model import SHORT, made_up
from twin.artifacts import model_folder
from twin.errors import BudgetExceeded, QuotaExceeded, TrainingFailed
from twin.training.base_model import BaseModel
from twin.training.job import TrainingJob
from twin.training.sagemaker.trainer import SageMakerTrainer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.training.progress import Progress

CLIENT = """
import pickle, sys
from pathlib import Path
from twin.training.sagemaker.trainer import SageMakerTrainer

job = pickle.loads(bytes.fromhex(sys.argv[1]))
SageMakerTrainer(Path(sys.argv[2])).train(job, lambda progress: print(progress.event, flush=True))
"""


@pytest.fixture
def double(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sagemaker_double.Running]:
    with sagemaker_double.running(tmp_path / "sagemaker") as running:
        for name, value in running.env.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def job(tiny: Path, tmp_path: Path) -> TrainingJob:
    samples = tmp_path / "samples.jsonl"
    samples.write_bytes(b"".join(msgspec.json.encode(sample) + b"\n" for sample in made_up(12)))
    base = BaseModel(name="tiny", folder=tiny, gguf=None, sha256="ab" * 32)
    return TrainingJob(
        dataset_version="d1", base=base, recipe=SHORT, train=samples, test=samples, save_steps=1, spend_usd=6.0
    )


def test_a_job_outlives_its_client_and_stops_with_its_run(
    double: sagemaker_double.Running, job: TrainingJob, tmp_path: Path
) -> None:
    plane = double.plane
    _start_and_kill_a_client(job, tmp_path / "lost")

    def cancel(progress: Progress) -> None:
        assert progress.event == "adopted"
        raise KeyboardInterrupt

    trainer = SageMakerTrainer(tmp_path / "work")
    with pytest.raises(KeyboardInterrupt):
        trainer.train(job, cancel)
    assert list(plane.jobs) == [job.name]
    assert plane.jobs[job.name].status in ("Stopping", "Stopped")

    events: list[Progress] = []
    model = trainer.train(job, events.append)
    assert list(plane.jobs) == [job.name, f"{job.name}-2"]
    assert [progress.step for progress in events if progress.event == "step"] == [1, 2, 3, 4]
    assert model_folder.verify(model.folder)["dataset_version"] == "d1"
    assert model.ran["sagemaker_job"] == f"{job.name}-2"
    assert 0 < float(model.ran["cost_usd"]) < float(model.ran["price_per_hour_usd"])
    assert "PROGRESS" in (tmp_path / "work" / job.name / "output" / "train.log").read_text()
    _is_as_the_settings_have_it(plane.jobs[job.name].request)

    elsewhere = SageMakerTrainer(tmp_path / "elsewhere")  # another machine: the job has ended, and its model is there
    assert model_folder.weights_sha256(elsewhere.train(job).manifest) == model_folder.weights_sha256(model.manifest)
    assert len(plane.jobs) == 2
    elsewhere.discard(job)
    assert plane.files() == ["bases"]


@pytest.mark.soak
def test_a_machine_that_is_taken_away_and_a_stopped_job_lose_at_most_a_checkpoint(
    double: sagemaker_double.Running, job: TrainingJob, tmp_path: Path
) -> None:
    plane, trainer = double.plane, SageMakerTrainer(tmp_path / "work")
    job = msgspec.structs.replace(job, recipe=msgspec.structs.replace(job.recipe, max_steps=12, epochs=99))
    seen: list[Progress] = []

    def disturb(progress: Progress) -> None:
        seen.append(progress)
        if progress.event == "step" and progress.step == 3 and plane.jobs[job.name].machines == 1:
            plane.interrupt(job.name)
        if progress.event == "step" and progress.step == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer.train(job, disturb)
    assert plane.jobs[job.name].machines == 2
    disturbed = trainer.train(job, seen.append)
    assert [progress.event for progress in seen].count("resumed") == 2

    undisturbed = msgspec.structs.replace(job, dataset_version="d2")
    expected = trainer.train(undisturbed)
    assert disturbed.manifest["metrics"]["losses"] == pytest.approx(expected.manifest["metrics"]["losses"], rel=1e-4)


def test_what_cannot_train_says_why(
    double: sagemaker_double.Running, job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane = double.plane
    with pytest.raises(BudgetExceeded, match=r"ml\.g5\.xlarge costs \$1\.41 an hour.*at most \$5\.63"):
        SageMakerTrainer(tmp_path).train(msgspec.structs.replace(job, spend_usd=None))
    assert plane.jobs == {}

    empty = tmp_path / "empty.jsonl"
    empty.touch()
    with pytest.raises(TrainingFailed, match=r"AlgorithmError: The train channel holds no samples.*exit code: 1"):
        SageMakerTrainer(tmp_path / "bad").train(msgspec.structs.replace(job, train=empty, dataset_version="d2"))

    monkeypatch.setenv("SAGEMAKER_TRAINING_INSTANCE", "ml.g5.2xlarge")
    with pytest.raises(
        QuotaExceeded, match=r"'ml\.g5\.2xlarge for training job usage' is 0 here.*/quotas/L-1 "
    ) as raised:
        SageMakerTrainer(tmp_path).train(msgspec.structs.replace(job, spend_usd=7.0))
    assert "ml.g6.2xlarge ($1.22/h)" in raised.value.message


def _start_and_kill_a_client(job: TrainingJob, work: Path) -> None:
    """Until it has started the job; then the client is no more, and the job runs."""
    command = [sys.executable, "-c", CLIENT, pickle.dumps(job).hex(), str(work)]
    client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert client.stdout is not None
    with client.stdout as lines:
        assert [next(lines).strip(), next(lines).strip()] == ["uploading", "started"]
    os.kill(client.pid, signal.SIGKILL)
    client.wait()


def _is_as_the_settings_have_it(request: dict) -> None:
    assert request["ResourceConfig"] == {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 60}
    assert request["OutputDataConfig"]["CompressionType"] == "NONE"
    assert request["EnableNetworkIsolation"] is True
    assert {"Key": "application", "Value": "llm-twin"} in request["Tags"]
    assert {channel["ChannelName"] for channel in request["InputDataConfig"]} == {"train", "test", "base"}
    assert json.loads(json.dumps(request["HyperParameters"]))["max_steps"] == "4"
