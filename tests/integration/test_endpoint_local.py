"""The local endpoint with its host and real model processes: deploying, replacing, rolling back, and being killed."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from twin.artifacts import ArtifactStore, model_folder
from twin.errors import GenerationInterrupted, ModelUnavailable
from twin.processes import Child, alive, wait_until
from twin.serving.local import LocalEndpoint, resolve_client
from twin.serving.state import EndpointConfig, EndpointFiles, HostStatus
from twin.settings import EndpointSettings, read
from twin.training import catalog
from twin.training.base_model import BaseModel
from twin.training.job import LocalTrainer, TrainedModel, TrainingJob, finished_model
from twin.training.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twin.serving.client import Delta

QUESTION = [{"role": "user", "content": "What is a dog?"}]
COUNTING = [{"role": "user", "content": "Write the numbers from 1 to 1000, one per line."}]
"""SmolLM2 goes on with this for hundreds of tokens."""
WAIT = 90.0

ENVIRONMENT = {"MODEL_CONTEXT_TOKENS": "1024", "MODEL_THREADS": "1"}


@pytest.fixture(scope="module")
def folder(gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A servable folder: a GGUF and its manifest."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "model.gguf").symlink_to(gguf)
    return described(folder)


def described(folder: Path) -> Path:
    sums = {"model.gguf": model_folder.file_sha256(folder / "model.gguf")}
    (folder / "manifest.json").write_text(json.dumps({"format": "gguf", "file": "model.gguf", "sha256": sums}))
    return folder


def sha256_of(folder: Path) -> str:
    return model_folder.weights_sha256(model_folder.manifest_in(folder))


@pytest.fixture
def settings() -> EndpointSettings:
    return read(EndpointSettings).model_copy(update={"url": None})


def start_host(home: Path) -> Child:
    command = [sys.executable, "-m", "twin.serving.host", "--home", str(home)]
    child = Child("endpoint", command, env=ENVIRONMENT)
    wait_until(LocalEndpoint(home).host_is_running, what="The host", timeout=WAIT, child=child)
    return child


@pytest.fixture
def host(home: Path) -> Iterator[Child]:
    with start_host(home) as child:
        yield child


def model_pid(home: Path) -> int:
    """The process id of the model program itself, which runs under a guard."""
    guard = EndpointFiles(home).status().pid
    assert guard is not None
    return psutil.Process(guard).children()[0].pid


def wait_for_state(home: Path, reached: Callable[[LocalEndpoint], bool]) -> None:
    endpoint = LocalEndpoint(home)
    wait_until(lambda: reached(endpoint), what=f"the endpoint ({endpoint.status()})", timeout=WAIT)


def test_versions_replace_each_other_and_a_bad_one_changes_nothing(
    home: Path, host: Child, folder: Path, settings: EndpointSettings, tmp_path: Path
) -> None:
    endpoint = LocalEndpoint(home)
    with pytest.raises(ModelUnavailable, match="No model is deployed yet"):
        resolve_client(settings, home)

    first = endpoint.deploy("1.0.0", folder, sha256_of(folder))
    assert (first.state, first.version, first.previous) == ("InService", "1.0.0", None)
    assert resolve_client(settings, home).complete(QUESTION, max_tokens=2).model == "llm-twin@1.0.0"
    assert endpoint.deploy("1.0.0", folder, sha256_of(folder)) == first  # the same process, at the same address
    first_pid = model_pid(home)

    second = endpoint.deploy("1.1.0", folder, sha256_of(folder))
    assert (second.state, second.version, second.previous) == ("InService", "1.1.0", "1.0.0")
    assert second.url != first.url
    wait_until(lambda: not alive(first_pid), what="the end of the first process", timeout=WAIT)

    with pytest.raises(ModelUnavailable, match=r"Version 1\.2\.0 cannot be served(.|\n)*has no manifest\.json"):
        endpoint.deploy("1.2.0", tmp_path / "nothing", "ab")
    after = endpoint.status()
    assert (after.state, after.version, after.url) == ("InService", "1.1.0", second.url)
    assert "Version 1.1.0 goes on answering" in after.message
    assert resolve_client(settings, home).complete(QUESTION, max_tokens=2).model == "llm-twin@1.1.0"

    back = endpoint.rollback()
    assert (back.state, back.version, back.previous) == ("InService", "1.0.0", "1.1.0")
    assert back.held == ("1.1.0",)

    last_pid = model_pid(home)
    endpoint.delete()
    assert endpoint.status().state == "Absent"
    wait_until(lambda: not alive(last_pid), what="the end of the model process", timeout=WAIT)
    assert host.stop() == 0


def test_a_first_version_that_does_not_start_is_failed_and_the_next_is_served(
    home: Path, host: Child, folder: Path, settings: EndpointSettings, tmp_path: Path
) -> None:
    endpoint = LocalEndpoint(home)
    with pytest.raises(ModelUnavailable, match="cannot be served"):
        endpoint.deploy("1.0.0", tmp_path / "nothing", "ab")
    assert endpoint.status().state == "Failed"
    with pytest.raises(ModelUnavailable, match=r"Version 1\.0\.0 cannot be served"):
        resolve_client(settings, home)
    served = endpoint.deploy("1.0.1", folder, sha256_of(folder))
    assert (served.state, served.version, served.previous, served.message) == ("InService", "1.0.1", None, "")
    assert host.poll() is None


def test_a_model_killed_in_the_middle_of_an_answer_interrupts_it_and_is_started_again(
    home: Path, host: Child, folder: Path, settings: EndpointSettings
) -> None:
    LocalEndpoint(home).deploy("1.0.0", folder, sha256_of(folder))
    killed = resolve_client(settings, home)
    texts: list[str] = []

    async def read_and_kill() -> None:
        try:
            async for delta in killed.stream(COUNTING, max_tokens=400):
                texts.append(delta.text)
                if len(texts) == 3:
                    os.kill(model_pid(home), signal.SIGKILL)
        finally:
            await killed.aclose()

    with pytest.raises(GenerationInterrupted, match="in the middle"):
        asyncio.run(read_and_kill())
    assert len(texts) >= 3
    wait_for_state(home, lambda e: e.status().state == "InService" and e.status().url != killed.base_url)
    again = resolve_client(settings, home).complete(QUESTION, max_tokens=2)
    assert again.model == "llm-twin@1.0.0"
    assert any("exit code 137" in line for line in host.tail)


def test_answers_in_the_making_are_finished_when_a_version_is_replaced(
    home: Path, host: Child, folder: Path, settings: EndpointSettings
) -> None:
    endpoint = LocalEndpoint(home)
    endpoint.deploy("1.0.0", folder, sha256_of(folder))
    old = resolve_client(settings, home)

    async def read_across_a_deployment() -> list[Delta]:
        stream = old.stream(COUNTING, max_tokens=300)
        read = [await anext(stream)]
        deploying = asyncio.create_task(asyncio.to_thread(endpoint.deploy, "1.1.0", folder, sha256_of(folder)))
        read += [delta async for delta in stream]
        await deploying
        await old.aclose()
        return read

    read = asyncio.run(read_across_a_deployment())
    assert len(read) > 100
    assert read[-1].finish_reason == "length"
    assert endpoint.status().version == "1.1.0"
    assert host.poll() is None


def test_a_killed_host_takes_its_model_with_it_and_the_next_host_serves_it_again(
    home: Path, folder: Path, settings: EndpointSettings
) -> None:
    endpoint = LocalEndpoint(home)
    with start_host(home) as first:
        endpoint.deploy("1.0.0", folder, sha256_of(folder))
        pid = model_pid(home)
        first.kill()
        wait_until(lambda: not alive(pid), what="the end of the model process", timeout=WAIT)
    assert endpoint.status().state == "Failed"
    with pytest.raises(ModelUnavailable, match="make up"):
        endpoint.deploy("1.1.0", folder, sha256_of(folder))
    with start_host(home):
        wait_for_state(home, lambda e: e.status().state == "InService")
        assert resolve_client(settings, home).complete(QUESTION, max_tokens=2).model == "llm-twin@1.0.0"


def test_a_model_whose_files_are_gone_is_tried_again_until_they_are_back(
    home: Path, host: Child, folder: Path, tmp_path: Path
) -> None:
    endpoint = LocalEndpoint(home)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy, symlinks=True)
    endpoint.deploy("1.0.0", copy, sha256_of(copy))
    copy.rename(tmp_path / "away")
    os.kill(model_pid(home), signal.SIGKILL)
    wait_for_state(home, lambda e: "does not start again" in e.status().message)
    assert endpoint.status().state == "Creating"
    (tmp_path / "away").rename(copy)
    wait_for_state(home, lambda e: e.status().state == "InService")
    assert host.poll() is None


def served_bytes(home: Path) -> bytes:
    """The end of the file that the model process has mapped."""
    [file] = {mapped.path for mapped in psutil.Process(model_pid(home)).memory_maps() if mapped.path.endswith(".gguf")}
    return Path(file).read_bytes()[-9:]


def test_a_rollback_serves_a_versions_own_weights_and_a_restart_refuses_others(
    home: Path, host: Child, gguf: Path, tmp_path: Path
) -> None:
    """llama.cpp does not read past the last tensor, so what is appended there tells one model from another."""
    store, endpoint = ArtifactStore(str(home / "artifacts")), LocalEndpoint(home)
    trainer = ModelMaker(home / "training", gguf)
    job = TrainingJob(
        dataset_version="d1",
        base=BaseModel(name="base", folder=tmp_path, gguf=gguf, sha256="ab"),
        recipe=Recipe(),
        train=tmp_path / "train.jsonl",
    )
    pins = []
    for version in ("1.0.0", "1.1.0"):
        model = catalog.find_or_train(job, trainer, store, force=version == "1.1.0")
        kept = catalog.publish(job, model, trainer, store)
        pins.append((kept.folder, model_folder.weights_sha256(kept.manifest)))
        endpoint.deploy(version, *pins[-1])
    assert served_bytes(home) == b"training2"

    assert endpoint.rollback().version == "1.0.0"
    assert served_bytes(home) == b"training1"

    weights = pins[0][0] / "model.gguf"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + b"3")
    os.kill(model_pid(home), signal.SIGKILL)
    wait_for_state(home, lambda e: "model.gguf has changed since it was stored" in e.status().message)
    assert endpoint.status().url is None
    with pytest.raises(ModelUnavailable, match="does not start again"):
        resolve_client(read(EndpointSettings).model_copy(update={"url": None}), home)
    weights.write_bytes(whole)
    wait_for_state(home, lambda e: e.status().state == "InService")
    assert served_bytes(home) == b"training1"


class ModelMaker(LocalTrainer):
    """Leaves what a training leaves: a model that can be served, each time another."""

    def __init__(self, work: Path, gguf: Path) -> None:
        super().__init__(work)
        self.gguf = gguf
        self.runs = 0

    def train(self, job: TrainingJob, on_progress: object = None) -> TrainedModel:
        self.runs += 1
        folder = self.work / job.name / "model"
        folder.mkdir(parents=True)
        (folder / "model.gguf").write_bytes(self.gguf.read_bytes() + f"training{self.runs}".encode())
        found = finished_model(described(folder))
        assert found is not None
        return found


def test_a_version_that_was_deployed_before_weights_were_pinned_is_not_served(home: Path, folder: Path) -> None:
    files = EndpointFiles(home)
    files.write_status(
        HostStatus(state="InService", config=EndpointConfig(version="1.0.0", folder=str(folder)), url="http://x", pid=1)
    )
    with start_host(home) as host:
        wait_for_state(home, lambda e: e.status().state == "Failed")
        assert "did not pin its weights" in LocalEndpoint(home).status().message
        assert host.poll() is None
