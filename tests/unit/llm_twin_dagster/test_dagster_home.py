"""dagster.yaml is ours where the operator says nothing, and the operator's where they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import pytest
import yaml

from llm_twin_dagster import dagster_home
from twin.errors import PlatformError, SettingsError
from twin.home import Home

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def place(home: Path) -> Home:
    return Home(home)


def settings(place: Home) -> dict:
    return yaml.safe_load((place.dagster / "dagster.yaml").read_text())


def edit(place: Home, **changed: object) -> None:
    file = place.dagster / "dagster.yaml"
    file.write_text(yaml.safe_dump({**settings(place), **changed}))


def test_a_new_home_has_our_settings_and_dagster_takes_them(place: Home) -> None:
    with dagster_home.open_instance(place) as instance:
        assert not instance.telemetry_enabled
        assert instance.run_monitoring_enabled
    assert settings(place) == yaml.safe_load(dagster_home.OURS.read_text())


def test_what_the_operator_changed_stays_at_the_next_start(place: Home) -> None:
    dagster_home.prepare(place)
    edit(place, run_queue={"max_concurrent_runs": 7}, python_logs={"python_log_level": "INFO"})
    dagster_home.prepare(place)
    dagster_home.prepare(place)
    assert settings(place)["run_queue"] == {"max_concurrent_runs": 7}
    assert settings(place)["python_logs"] == {"python_log_level": "INFO"}
    assert settings(place)["telemetry"] == {"enabled": False}


def test_what_the_operator_left_alone_follows_a_new_version(
    place: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dagster_home.prepare(place)
    edit(place, run_queue={"max_concurrent_runs": 7})
    newer = {**yaml.safe_load(dagster_home.OURS.read_text()), "freshness": {"enabled": False}}
    newer["run_queue"] = {"max_concurrent_runs": 3, "tag_concurrency_limits": []}
    (tmp_path / "newer.yaml").write_text(yaml.safe_dump(newer))
    monkeypatch.setattr(dagster_home, "OURS", tmp_path / "newer.yaml")
    dagster_home.prepare(place)
    assert settings(place)["freshness"] == {"enabled": False}
    assert settings(place)["run_queue"] == {"max_concurrent_runs": 7, "tag_concurrency_limits": []}


def test_a_file_of_an_earlier_version_is_completed(place: Home) -> None:
    place.dagster.mkdir(parents=True)
    (place.dagster / "dagster.yaml").write_text(
        "run_monitoring:\n  enabled: true\nrun_queue:\n  max_concurrent_runs: 4\n"
    )
    dagster_home.prepare(place)
    assert settings(place)["run_queue"] == {"max_concurrent_runs": 4}
    assert "retention" in settings(place)


@pytest.mark.parametrize("garbage", [b"a: [1", b"\xff\xfe\x00", b"- a\n- b\n", b"just words"])
def test_garbage_in_the_file_is_named_with_what_to_do(place: Home, garbage: bytes) -> None:
    place.dagster.mkdir(parents=True)
    (place.dagster / "dagster.yaml").write_bytes(garbage)
    with pytest.raises(SettingsError, match=r"dagster\.yaml .*delete it"):
        dagster_home.prepare(place)


def test_a_setting_that_dagster_does_not_know_is_named(place: Home) -> None:
    dagster_home.prepare(place)
    edit(place, run_quue={"max_concurrent_runs": 7})
    with pytest.raises(SettingsError, match="run_quue"), dagster_home.open_instance(place):
        pass


@pytest.mark.parametrize("database", ["history/runs.db", "history/runs/index.db", "schedules/schedules.db"])
def test_a_damaged_database_is_named_with_what_to_do(place: Home, database: str) -> None:
    with dagster_home.open_instance(place) as instance:
        instance.get_runs()
        instance.all_instigator_state()
        instance.get_asset_records()
    (place.dagster / database).write_bytes(b"garbage " * 1_000)
    with pytest.raises(PlatformError, match=rf"{database} is damaged.*mv "):
        dagster_home.prepare(place)
    (place.dagster / database).unlink()
    with dagster_home.open_instance(place) as instance:
        assert isinstance(instance, dg.DagsterInstance)
