"""Options that every verb has."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from typer.testing import CliRunner

from llm_twin_dagster.cli import app

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_version_is_that_of_the_installed_package() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"llm-twin {version('llm-twin-dagster')}\n")


def test_home_is_where_a_verb_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIN_HOME", "/nowhere")
    result = CliRunner().invoke(app, ["--home", str(tmp_path / "other"), "down"])
    assert (result.exit_code, result.stdout) == (0, f"Nothing runs for {tmp_path / 'other'}.\n")


def test_deleting_the_endpoint_is_confirmed_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIN_HOME", str(tmp_path))
    result = CliRunner().invoke(app, ["endpoint", "delete"], input="n\n")
    assert result.exit_code == 1
    assert "Aborted" in result.output
