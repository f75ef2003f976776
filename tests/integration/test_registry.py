"""The registry over the real `comet_ml` SDK, the console as its own process, and a real mongod."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from twin.errors import InputError, NotAuthorized, RegistryUnavailable, UnknownName
from twin.processes import Child, answers, free_port, wait_until
from twin.registry import KEEP
from twin.registry.comet import CometRegistry
from twin.registry.experiments import experiment, reachable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

TOKEN = "the-reviewers-token"
MANIFEST = {
    "uri": "models/abc",
    "sha256": "abc",
    "dataset_version": "d1",
    "base_model": "smollm2",
    "hyperparameters": {"learning_rate": 0.0005, "lora_r": 16},
    "scores": {"perplexity": {"base": 20.5, "tuned": 12.25}},
}


@contextmanager
def running_console(mongo_uri: str, database: str, port: int = 0) -> Generator[str]:
    """A console process; yields its URL."""
    port = free_port(port)
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "app.console", "--port", str(port)]
    env = {"MONGODB_URI": mongo_uri, "MONGODB_DATABASE": database, "REVIEWER_TOKEN": TOKEN}
    with Child("console", command, env=env) as child:
        wait_until(lambda: answers(url + "/health/ready"), what="console", timeout=60, child=child)
        yield url


@pytest.fixture
def console(mongo_uri: str, mongo_database: str) -> Iterator[str]:
    with running_console(mongo_uri, mongo_database) as url:
        yield url


@pytest.fixture
def registry(console: str) -> Iterator[CometRegistry]:
    client = CometRegistry(console + "/comet/", "local", "llm-twin")
    yield client
    client.close()


def rest(console: str, path: str, **params: str) -> dict:
    answer = httpx.get(f"{console}/api/rest/v2/{path}", params=params, headers={"Authorization": "local"})
    answer.raise_for_status()
    return answer.json()


def test_a_registered_model_is_in_development_and_awaits_review(registry: CometRegistry) -> None:
    version = registry.register("llm-twin", MANIFEST)

    assert (version.name, version.version) == ("llm-twin", "1.0.0")
    assert (version.status, version.review) == ("Development", "pending")
    assert version.manifest == MANIFEST
    assert version.created_at is not None
    assert registry.approved("llm-twin") is None
    assert registry.versions("llm-twin") == [version]


def test_registering_the_same_model_again_gives_the_version_it_has(registry: CometRegistry) -> None:
    first = registry.register("llm-twin", MANIFEST)
    again = registry.register("llm-twin", MANIFEST | {"scores": {"perplexity": {"base": 20.5, "tuned": 12.3}}})
    other = registry.register("llm-twin", MANIFEST | {"sha256": "def"})

    assert again == first
    assert other.version == "1.1.0"
    assert [version.version for version in registry.versions("llm-twin")] == ["1.1.0", "1.0.0"]
    assert registry.get("llm-twin", "1.1.0").manifest["sha256"] == "def"


def test_a_model_of_another_base_is_the_next_major_version_and_tags_stay_until_they_are_taken(
    registry: CometRegistry,
) -> None:
    registry.register("llm-twin", MANIFEST)
    other = registry.register("llm-twin", MANIFEST | {"sha256": "def", "base_model": "another"})
    assert other.version == "2.0.0"

    registry.tag("llm-twin", "1.0.0", KEEP)
    registry.tag("llm-twin", "1.0.0", KEEP)
    assert registry.get("llm-twin", "1.0.0").tags.count(KEEP) == 1
    registry.untag("llm-twin", "1.0.0", KEEP)
    assert KEEP not in registry.get("llm-twin", "1.0.0").tags
    with pytest.raises(UnknownName):
        registry.tag("llm-twin", "9.9.9", KEEP)
    assert [happened.what for happened in registry.history("llm-twin", "1.0.0")] == ["created", "status request change"]


def test_registering_shows_in_the_experiment_what_made_the_model(registry: CometRegistry, console: str) -> None:
    registry.register("llm-twin", MANIFEST)
    item = rest(console, "registry-model/item/details", workspaceName="llm-twin", modelName="llm-twin", version="1.0.0")

    metadata = rest(console, "experiment/metadata", experimentKey=item["experimentKey"])
    assert metadata["experimentName"] == "register llm-twin 1.0.0"
    assert metadata["running"] is False


def test_what_an_experiment_logs_arrives(console: str, mongo_uri: str, mongo_database: str) -> None:
    from pymongo import MongoClient

    with experiment("run 1", url=console + "/comet/", api_key="local", workspace="w", project="p") as run:
        for step, loss in enumerate([2.9, 1.7, 1.1]):
            run.log_metric("loss", loss, step=step)
        run.log_parameters({"learning_rate": 0.0005, "lora": {"r": 16}})
        run.log_asset_data({"question": "q"}, name="examples.json")
        run.add_tag("demo")
        key = run.get_key()

    with MongoClient(mongo_uri) as client:
        database = client[mongo_database]
        losses = database["comet_metrics"].find({"experiment": key, "name": "loss"}).sort("step")
        assert [point["value"] for point in losses] == [2.9, 1.7, 1.1]
        parameters = {row["name"]: row["value"] for row in database["comet_parameters"].find({"experiment": key})}
        assert parameters["learning_rate"] == 0.0005
        assert parameters["lora|r"] == 16
        row = database["comet_experiments"].find_one({"_id": key})
        assert row is not None
        assert (row["name"], row["running"], row["tags"]) == ("run 1", False, ["demo"])
        asset = database["comet_assets"].find_one({"experiment": key, "name": "examples.json"})
        assert asset is not None
        assert asset["content"] == b'{"question":"q"}'


def test_the_sdks_own_reading_of_the_registry_agrees(registry: CometRegistry, tmp_path: Path) -> None:
    version = registry.register("llm-twin", MANIFEST)
    import comet_ml

    model = comet_ml.API(api_key="local").get_model("llm-twin", "llm-twin")
    assert model.find_versions() == ["1.0.0"]
    assert model.find_versions(status="Production") == []
    assert model.status("1.0.0") == "Development"
    assert model.tags("1.0.0") == version.tags
    model.add_tag("1.0.0", "blue")
    assert "blue" in model.tags("1.0.0")
    model.delete_tag("1.0.0", "blue")
    assert "blue" not in model.tags("1.0.0")
    model.download("1.0.0", tmp_path)
    assert (tmp_path / "manifest.json").is_file()
    request = model.get_registry_model_status_configuration("1.0.0")
    assert request is not None
    assert (request.status, request.is_review_required) == ("Production", True)


def test_the_sdk_cannot_put_a_version_into_production(registry: CometRegistry) -> None:
    registry.register("llm-twin", MANIFEST)
    import comet_ml
    from comet_ml.exceptions import CometRestApiException

    model = comet_ml.API(api_key="local").get_model("llm-twin", "llm-twin")
    with pytest.raises(CometRestApiException, match="Only a reviewer"):
        model.set_status("1.0.0", "Production")
    model.set_status("1.0.0", "Staging")
    assert registry.get("llm-twin", "1.0.0").status == "Staging"
    assert registry.approved("llm-twin") is None


def test_what_was_registered_survives_a_restart_of_the_console(mongo_uri: str, mongo_database: str) -> None:
    with running_console(mongo_uri, mongo_database) as url:
        before = CometRegistry(url + "/comet/", "local", "llm-twin").register("llm-twin", MANIFEST)
    with running_console(mongo_uri, mongo_database) as url:
        assert CometRegistry(url + "/comet/", "local", "llm-twin").get("llm-twin", "1.0.0") == before


@pytest.mark.quiet
def test_an_unreachable_registry_is_reported_within_three_seconds() -> None:
    registry = CometRegistry(f"http://127.0.0.1:{free_port()}/comet/", "local", "llm-twin")
    for ask in (
        lambda: registry.register("llm-twin", MANIFEST),
        lambda: registry.versions("llm-twin"),
        lambda: registry.approved("llm-twin"),
    ):
        began = time.monotonic()
        with pytest.raises(RegistryUnavailable, match="does not answer"):
            ask()
        assert time.monotonic() - began < 3


@pytest.mark.quiet
def test_a_server_that_accepts_and_never_answers_counts_as_unreachable() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        assert not reachable(f"http://127.0.0.1:{silent.getsockname()[1]}/comet/")
        assert time.monotonic() - began < 3


def test_without_comet_an_experiment_is_kept_in_a_zip_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    url = f"http://127.0.0.1:{free_port()}/comet/"
    with experiment("run", url=url, api_key="local", workspace="w", offline_folder=tmp_path / "offline") as run:
        run.log_metric("loss", 1.0, step=1)

    assert list((tmp_path / "offline").glob("*.zip"))
    assert "comet upload" in caplog.text


def test_what_was_kept_in_a_zip_file_can_be_sent_later(mongo_uri: str, mongo_database: str, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/comet/"
    with experiment("late", url=url, api_key="local", workspace="w", offline_folder=tmp_path) as run:
        run.log_metric("loss", 1.5, step=1)
        run.log_metric("loss", 1.25, step=2)
    with running_console(mongo_uri, mongo_database, port) as console:
        comet = Path(sys.executable).parent / "comet"
        env = {**os.environ, "COMET_URL_OVERRIDE": url, "COMET_API_KEY": "local"}
        subprocess.run([comet, "upload", *tmp_path.glob("*.zip")], env=env, check=True, capture_output=True)
        listed = re.search(r'href="/experiments/(\w+)">late<', httpx.get(console + "/experiments").text)
        assert listed
        text = httpx.get(f"{console}/experiments/{listed[1]}").text
        assert "loss: 1.5 at step 1, 1.25 at step 2" in text


@pytest.mark.quiet
def test_a_console_whose_mongodb_is_gone_counts_as_unreachable(tmp_path: Path) -> None:
    from twin.warehouse import mongod

    with mongod.start(tmp_path) as server, running_console(server.uri, "gone") as console:
        assert reachable(console + "/comet/")
        server.stop()
        began = time.monotonic()
        with pytest.raises(RegistryUnavailable, match="Nothing was registered"):
            CometRegistry(console + "/comet/", "local", "llm-twin").register("llm-twin", MANIFEST)
        assert time.monotonic() - began < 3


def test_unknown_names_are_said_to_be_unknown(registry: CometRegistry) -> None:
    assert registry.versions("nobody") == []
    assert registry.approved("nobody") is None
    with pytest.raises(UnknownName):
        registry.get("nobody", "1.0.0")


def test_a_request_without_a_key_is_refused(console: str) -> None:
    with pytest.raises(NotAuthorized, match="COMET_API_KEY"):
        CometRegistry(console + "/comet/", "", "llm-twin").versions("llm-twin")


def test_a_large_manifest_is_refused_before_anything_is_sent(registry: CometRegistry) -> None:
    with pytest.raises(InputError, match="artifact store"):
        registry.register("llm-twin", {"sha256": "x" * 2_000_000})
    assert registry.versions("llm-twin") == []


def test_an_asset_that_is_too_large_is_refused(console: str) -> None:
    headers = {"Authorization": "local"}
    body = {"experimentKey": "k1", "projectName": "p", "teamName": "w"}
    httpx.post(console + "/comet/logger/add/run", json=body, headers=headers).raise_for_status()
    answer = httpx.post(
        console + "/comet/asset/upload",
        params={"experimentId": "k1", "assetId": "a1", "fileName": "weights.bin"},
        files={"file": b"0" * 16_000_001},
        headers=headers,
    )
    assert answer.status_code == 400
    assert "artifact store" in answer.json()["msg"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"experimentKey": 3}', b"\xff\xfe"])
def test_a_body_that_does_not_fit_is_a_bad_request(console: str, body: bytes) -> None:
    answer = httpx.post(console + "/comet/logger/add/run", content=body, headers={"Authorization": "local"})
    assert answer.status_code == 400
    assert "does not fit" in answer.json()["msg"]
