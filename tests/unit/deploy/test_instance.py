"""Both instance configurations are what the installed Dagster understands."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher import DefaultRunLauncher
from dagster_docker import DockerRunLauncher

if TYPE_CHECKING:
    import pytest

PROJECT = Path(__file__).resolve().parents[3]
VARIABLES = (
    "DAGSTER_POSTGRES_HOST",
    "DAGSTER_POSTGRES_USER",
    "DAGSTER_POSTGRES_PASSWORD",
    "DAGSTER_POSTGRES_DB",
    "DAGSTER_RUN_IMAGE",
    "DAGSTER_DOCKER_NETWORK",
)


def reference(tmp_path: Path, config: Path) -> InstanceRef:
    shutil.copy(config, tmp_path / "dagster.yaml")
    return InstanceRef.from_dir(str(tmp_path))


def test_production_keeps_runs_in_postgres_and_launches_them_in_containers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(name, "value")
    found = reference(tmp_path, PROJECT / "deploy" / "dagster.yaml")
    assert isinstance(found.run_launcher, DockerRunLauncher)
    assert found.storage_data is not None
    assert found.storage_data.class_name == "DagsterPostgresStorage"
    assert "postgresql+psycopg2" in found.storage_data.config_yaml
    assert found.settings["telemetry"] == {"enabled": False}


def test_the_local_instance_runs_without_anything_else_and_calls_nobody(tmp_path: Path) -> None:
    found = reference(tmp_path, PROJECT / "dagster.yaml")
    assert isinstance(found.run_launcher, DefaultRunLauncher)
    assert found.settings["telemetry"] == {"enabled": False}
    retries = found.settings["run_retries"]
    assert isinstance(retries, dict)
    assert retries["retry_on_asset_or_op_failure"] is False
