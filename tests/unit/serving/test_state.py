"""The files between the local endpoint and its host, without a host."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from pydantic import SecretStr

from twin.errors import ModelUnavailable, PlatformError, UnknownName
from twin.records import utcnow
from twin.serving.local import LocalEndpoint, resolve_client
from twin.serving.state import EndpointConfig, EndpointFiles, HostStatus, Request
from twin.settings import EndpointSettings, read

CONFIG = EndpointConfig(version="1.0.0", folder="/models/one", sha256="ab")
HOST = os.getpid()
"""These tests hold the host's lock themselves."""
SERVING = HostStatus(state="InService", config=CONFIG, url="http://127.0.0.1:9", pid=1, host=HOST)


@pytest.fixture
def files(home: Path) -> EndpointFiles:
    return EndpointFiles(home)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> EndpointSettings:
    monkeypatch.delenv("MODEL_ENDPOINT_URL", raising=False)
    return read(EndpointSettings)


def test_what_is_written_is_read_by_another_process_s_view(home: Path, files: EndpointFiles) -> None:
    request = Request(config=CONFIG, requested_at=utcnow())
    files.write_request(request)
    files.write_status(SERVING)
    other = EndpointFiles(home)
    assert (other.request(), other.status()) == (request, SERVING)


def test_a_reader_sees_the_newest_status(files: EndpointFiles) -> None:
    for number in range(20):
        said = HostStatus(state="Creating", message=str(number))
        files.write_status(said)
        assert files.status() == said


@pytest.mark.parametrize(
    "garbage", [b"", b"no JSON", b"[]", b'{"state": "Melted"}', b'{"config": {"version": 1}}', b"\xff"]
)
def test_what_another_version_or_a_person_wrote_counts_as_absent(
    files: EndpointFiles, caplog: pytest.LogCaptureFixture, garbage: bytes
) -> None:
    files.folder.mkdir(parents=True)
    for name in ("status.json", "desired.json"):
        (files.folder / name).write_bytes(garbage)
    for _ in range(3):
        assert files.status() == HostStatus()
        assert files.request() is None
    assert len(caplog.records) == 2, "told once, not at every look"
    files.write_status(SERVING)
    assert files.status() == SERVING


def test_a_model_inside_of_the_home_is_found_where_the_home_is_moved_to(home: Path, tmp_path: Path) -> None:
    config = EndpointFiles(home).config("1.0.0", home / "artifacts" / "one", "0" * 64)
    (tmp_path / "elsewhere").mkdir()
    assert EndpointFiles(tmp_path / "elsewhere").place(config) == tmp_path / "elsewhere" / "artifacts" / "one"
    outside = EndpointFiles(home).config("1.0.0", tmp_path / "models" / "one", "0" * 64)
    assert EndpointFiles(tmp_path / "elsewhere").place(outside) == tmp_path / "models" / "one"


def test_writing_leaves_no_other_files(files: EndpointFiles) -> None:
    files.write_status(SERVING)
    files.write_status(SERVING)
    assert [path.name for path in files.folder.iterdir()] == ["status.json"]


def test_other_weights_are_another_config() -> None:
    assert EndpointConfig(version="1.0.0", folder="/models/one", sha256="ab") == CONFIG
    assert EndpointConfig(version="1.0.0", folder="/models/one", sha256="cd") != CONFIG


def test_a_host_runs_exactly_while_it_holds_the_lock(home: Path, files: EndpointFiles) -> None:
    assert not files.host_is_running()
    with files.host_lock():
        assert EndpointFiles(home).host_is_running()
    assert not files.host_is_running()


def test_a_second_host_is_refused(home: Path, files: EndpointFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twin.disk.GLANCE_SECONDS", 0.05)
    with files.host_lock(), pytest.raises(PlatformError, match="make down"), EndpointFiles(home).host_lock():
        pytest.fail("two hosts hold the lock")


def test_without_a_host_what_was_served_has_failed_and_says_how_to_start(home: Path, files: EndpointFiles) -> None:
    files.write_status(SERVING)
    status = LocalEndpoint(home).status()
    assert (status.state, status.version, status.url) == ("Failed", "1.0.0", None)
    assert "make up" in status.message


def test_what_an_earlier_host_said_is_not_believed_of_the_next(home: Path, files: EndpointFiles) -> None:
    files.write_status(msgspec.structs.replace(SERVING, host=HOST + 1))
    with files.host_lock():
        status = LocalEndpoint(home).status()
        assert not LocalEndpoint(home).is_settled()
    assert (status.state, status.version, status.url) == ("Creating", "1.0.0", None)


def test_a_host_that_gives_no_sign_of_life_is_not_well(home: Path, files: EndpointFiles) -> None:
    endpoint = LocalEndpoint(home)
    assert not endpoint.host_is_well()
    with files.host_lock():
        assert endpoint.host_is_well()
        os.utime(files.folder / "host.lock", (1, 1))
        assert not endpoint.host_is_well()
        files.beat()
        assert endpoint.host_is_well()


def test_nothing_is_deployed_without_a_host(home: Path, files: EndpointFiles) -> None:
    with pytest.raises(ModelUnavailable, match="make up"):
        LocalEndpoint(home).deploy("1.0.0", Path("/models/one"), "ab")
    assert files.request() is None


def test_rolling_back_needs_an_earlier_version(home: Path) -> None:
    with pytest.raises(UnknownName, match="no earlier version"):
        LocalEndpoint(home).rollback()


def test_deleting_without_a_host_forgets_what_was_served(home: Path, files: EndpointFiles) -> None:
    files.write_status(SERVING)
    LocalEndpoint(home).delete()
    assert LocalEndpoint(home).status().state == "Absent"
    request = files.request()
    assert request is not None
    assert request.config is None
    assert LocalEndpoint(home).status().held == ("1.0.0",)


def test_what_is_held_is_held_until_the_next_deployment(home: Path, files: EndpointFiles) -> None:
    files.write_status(SERVING)
    files.write_request(Request(config=CONFIG, requested_at=utcnow(), held=("1.1.0",)))
    assert LocalEndpoint(home).status().held == ("1.1.0",)
    LocalEndpoint(home).delete()
    assert LocalEndpoint(home).status().held == ("1.0.0", "1.1.0")
    with files.host_lock(), pytest.raises(ModelUnavailable):
        LocalEndpoint(home).deploy("1.2.0", Path("/models/three"), "ef", timeout=0.0)
    assert LocalEndpoint(home).status().held == ()


def test_the_host_not_answering_ends_the_wait(home: Path, files: EndpointFiles) -> None:
    with files.host_lock(), pytest.raises(ModelUnavailable, match="does not answer after"):
        LocalEndpoint(home).deploy("1.0.0", Path("/models/one"), "ab", timeout=0.1)


def test_the_served_model_is_found_and_its_client_kept(
    home: Path, files: EndpointFiles, settings: EndpointSettings
) -> None:
    files.write_status(SERVING)
    with files.host_lock():
        client = resolve_client(settings, home)
        assert (client.base_url, client.model) == ("http://127.0.0.1:9", "llm-twin@1.0.0")
        assert resolve_client(settings, home) is client


def test_after_a_deletion_it_is_told_how_the_approved_version_is_served_again(
    home: Path, files: EndpointFiles, settings: EndpointSettings
) -> None:
    files.write_status(SERVING)
    LocalEndpoint(home).delete()
    with pytest.raises(ModelUnavailable, match=r"1\.0\.0 taken out of service.*deploy --force") as told:
        resolve_client(settings, home)
    assert "Approve" not in told.value.message


def test_a_set_url_wins_over_the_local_endpoint(home: Path, settings: EndpointSettings) -> None:
    update = {"url": "https://models.example/v1", "model": "big", "api_key": SecretStr("k")}
    client = resolve_client(settings.model_copy(update=update), home)
    assert (client.base_url, client.model) == ("https://models.example/v1", "big")


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (HostStatus(), "approve"),
        (HostStatus(state="Creating", message="Version 1.0.0 is starting.", host=HOST), "starting. Try again"),
        (HostStatus(state="Failed", message="Version 1.0.0 cannot be served.", host=HOST), "cannot be served"),
    ],
)
def test_why_no_model_answers_is_told(
    home: Path, files: EndpointFiles, settings: EndpointSettings, said: HostStatus, says: str
) -> None:
    files.write_status(said)
    with files.host_lock(), pytest.raises(ModelUnavailable, match=says):
        resolve_client(settings, home)


def test_the_log_of_a_dead_model_process_is_detail_and_not_for_the_client(
    home: Path, files: EndpointFiles, settings: EndpointSettings
) -> None:
    said = "Version 1.0.0 cannot be served: exit code 1.\nTraceback"
    files.write_status(HostStatus(state="Failed", message=said, host=HOST))
    with files.host_lock(), pytest.raises(ModelUnavailable) as caught:
        resolve_client(settings, home)
    assert "Traceback" not in caught.value.message
    assert "Traceback" in (caught.value.detail or "")
