"""One rule for every outside service: a URL or a key, either alone, means the real one."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest

from llm_twin_dagster.stack import only_supervisor
from twin import settings
from twin.deployment import Deployment, addresses, destinations
from twin.errors import RegistryUnavailable, ReviewRequired, SettingsError
from twin.home import Home, RunState, ServiceState
from twin.settings import SETTINGS_CLASSES, EndpointSettings, ModelSettings, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from twin.training.job import LocalTrainer

CONSOLE = "http://127.0.0.1:18001"
STAND_IN = f"{CONSOLE}/comet/"
RECEIVER = f"{CONSOLE}/opik/api"
COMET = "https://www.comet.com/clientlib/"
OPIK = "https://www.comet.com/opik/api"


@pytest.fixture
def place(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Home]:
    """A home whose console and mongod are said to run, without any setting."""
    for concern in SETTINGS_CLASSES:
        for field in concern.model_fields.values():
            alias = field.validation_alias
            for name in getattr(alias, "choices", [alias]):
                monkeypatch.delenv(str(name), raising=False)
    monkeypatch.setenv("TWIN_HOME", str(home))
    monkeypatch.chdir(tmp_path)  # no .env
    place = Home(home)
    services = {
        "mongod": ServiceState(url="mongodb://127.0.0.1:18002", pid=1),
        "console": ServiceState(url=CONSOLE, pid=1),
    }
    with only_supervisor(place):
        place.write_run_state(RunState(pid=os.getpid(), services=services))
        yield place


@pytest.mark.parametrize(
    ("given", "registry", "traces"),
    [
        ({}, STAND_IN, RECEIVER),
        ({"COMET_API_KEY": "k"}, COMET, RECEIVER),
        ({"COMET_URL_OVERRIDE": "https://comet.example/clientlib/"}, "https://comet.example/clientlib/", RECEIVER),
        (
            {"COMET_URL_OVERRIDE": "https://comet.example/clientlib/", "COMET_API_KEY": "k"},
            "https://comet.example/clientlib/",
            RECEIVER,
        ),
        ({"OPIK_API_KEY": "k"}, STAND_IN, OPIK),
        ({"OPIK_URL_OVERRIDE": "https://opik.example/api"}, STAND_IN, "https://opik.example/api"),
        ({"OPIK_URL_OVERRIDE": "https://opik.example/api", "OPIK_API_KEY": "k"}, STAND_IN, "https://opik.example/api"),
        ({"COMET_API_KEY": "k", "OPIK_API_KEY": "k"}, COMET, OPIK),
    ],
)
def test_registry_experiments_and_traces_go_where_a_key_or_a_url_says(
    place: Home, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], registry: str, traces: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    deployment = Deployment(place)
    trainer: LocalTrainer = deployment.trainer  # ty: ignore[invalid-assignment]
    assert deployment.registry.url == registry  # ty: ignore[missing-attribute]
    assert trainer.env["COMET_URL_OVERRIDE"] == registry, "training logs to the registry's Comet"
    assert trainer.env["COMET_API_KEY"] == given.get("COMET_API_KEY", "local-console-key")
    assert deployment.opik_url() == traces
    told = {row.concern: row for row in destinations(place)}
    for concern, url, prefix in (
        ("model registry", registry, "COMET"),
        ("experiments", registry, "COMET"),
        ("traces", traces, "OPIK"),
    ):
        assert told[concern].where.endswith(url)
        assert told[concern].because == " and ".join(name for name in given if name.startswith(prefix))


@pytest.mark.parametrize(
    ("given", "index", "warehouse"),
    [
        ({}, "EdgeIndex", "127.0.0.1:18002"),
        ({"QDRANT_URL": "http://127.0.0.1:9"}, "ServerIndex", "127.0.0.1:18002"),
        ({"QDRANT_URL": "http://127.0.0.1:9", "QDRANT_API_KEY": "k"}, "ServerIndex", "127.0.0.1:18002"),
        ({"MONGODB_URI": "mongodb://ada:secret@db.example:27017/?tls=true"}, "EdgeIndex", "db.example:27017"),
    ],
)
def test_index_and_warehouse_go_where_a_url_says(
    place: Home, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], index: str, warehouse: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    deployment = Deployment(place)
    assert type(deployment.vector_index).__name__ == index
    assert deployment.warehouse.host == warehouse
    told = {row.concern: row for row in destinations(place)}
    assert told["vector index"].where == given.get("QDRANT_URL", f"Qdrant's engine over {place.index}")
    uri = given.get("MONGODB_URI")
    assert told["documents and interactions"].because == ("MONGODB_URI" if uri else "")
    assert warehouse in told["documents and interactions"].where or not uri
    assert not any("secret" in row.where for row in told.values())


@pytest.mark.parametrize(
    ("key", "url", "use"),
    [
        ("QDRANT_API_KEY", "QDRANT_URL", lambda deployment: deployment.vector_index),
        ("MODEL_ENDPOINT_API_KEY", "MODEL_ENDPOINT_URL", lambda deployment: deployment.chat_client()),
        ("MODEL_ENDPOINT_API_KEY", "MODEL_ENDPOINT_URL", lambda deployment: deployment.endpoint),
        ("TEACHER_API_KEY", "TEACHER_URL", lambda deployment: deployment.teacher()),
        ("WRITER_API_KEY", "TEACHER_URL", lambda deployment: deployment.teacher()),
    ],
)
def test_a_key_that_does_not_say_which_server_is_refused_and_nothing_local_stands_in(
    place: Home, monkeypatch: pytest.MonkeyPatch, key: str, url: str, use: Callable[[Deployment], object]
) -> None:
    monkeypatch.setenv(key, "k")
    with pytest.raises(SettingsError, match=url):
        use(Deployment(place))
    with pytest.raises(SettingsError, match=url):
        destinations(place)


def test_a_model_server_of_its_own_is_asked_and_nothing_is_deployed_to_it(
    place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_ENDPOINT_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("MODEL_ENDPOINT_MODEL", "llama")
    deployment = Deployment(place)
    assert (deployment.chat_client().base_url, deployment.chat_client().model) == ("http://127.0.0.1:9/v1", "llama")
    status = deployment.endpoint.status()
    assert (status.state, status.outside) == ("Failed", True)
    assert "http://127.0.0.1:9/v1" in status.message
    with pytest.raises(SettingsError, match="MODEL_ENDPOINT_URL"):
        deployment.endpoint.rollback()
    assert read(EndpointSettings).url == "http://127.0.0.1:9/v1"


def test_the_teacher_answers_to_its_former_name_and_the_new_one_wins(
    place: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WRITER_URL", "http://127.0.0.1:9/v1")
    settings._warn_of_former_names.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert read(ModelSettings).teacher_url == "http://127.0.0.1:9/v1"
        read(ModelSettings)
    assert [record.message for record in caplog.records] == [
        "WRITER_URL is now called TEACHER_URL; the old name will go."
    ]
    former = Deployment(place).teacher()
    assert former is not None
    assert former.name == "http://127.0.0.1:9/v1"
    monkeypatch.setenv("TEACHER_URL", "http://127.0.0.1:10/v1")
    monkeypatch.setenv("TEACHER_MODEL", "large")
    newer = Deployment(place).teacher()
    assert newer is not None
    assert newer.name == "large"


def test_reviews_are_decided_where_the_registry_is(place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Deployment(place).review_client().console_url == CONSOLE
    monkeypatch.setenv("COMET_URL_OVERRIDE", "http://console.example:8001/comet/")
    assert Deployment(place).review_client().console_url == "http://console.example:8001"
    monkeypatch.delenv("COMET_URL_OVERRIDE")
    monkeypatch.setenv("COMET_API_KEY", "k")
    with pytest.raises(ReviewRequired, match=r"www\.comet\.com.*COMET_API_KEY"):
        Deployment(place).review_client()


def test_without_a_console_only_what_needs_one_says_so(place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    place.clear_run_state()
    with pytest.raises(RegistryUnavailable, match="make up"):
        _ = Deployment(place).registry
    assert Deployment(place).opik_url() is None
    monkeypatch.setenv("COMET_API_KEY", "k")
    assert Deployment(place).registry


def test_a_version_has_a_page_where_a_console_runs_that_is_its_registry(
    place: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert addresses.model_page(place, "llm twin", "1.0.0") == f"{CONSOLE}/models/llm%20twin/1.0.0"
    assert addresses.model_page(Home(tmp_path / "nothing runs"), "llm twin", "1.0.0") is None
    monkeypatch.setenv("COMET_API_KEY", "k")
    assert addresses.model_page(place, "llm twin", "1.0.0") is None
