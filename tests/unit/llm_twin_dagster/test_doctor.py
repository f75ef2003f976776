"""What `llm-twin doctor` finds wrong with settings and sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llm_twin_dagster.doctor import Finding, examine
from twin.processes import free_port

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _place(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("MONGODB_URI", "QDRANT_URL", "COMET_API_KEY", "OPIK_API_KEY", "MODEL_ENDPOINT_URL", "TWIN_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def found(what: str) -> list[Finding]:
    return [finding for finding in examine() if finding.what == what]


def test_a_source_that_does_not_exist_is_a_problem_and_the_others_are_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notes").mkdir()
    config = tmp_path / "mine.yaml"
    config.write_text("authors:\n  - name: Ada\n    sources: [notes, nothing-here, https://example.com/feed]\n")
    monkeypatch.setenv("TWIN_CONFIG", str(config))
    problem, fine = found("sources")
    assert problem.state == "problem"
    assert str(tmp_path / "nothing-here") in problem.detail
    assert fine.state == "ok"
    assert fine.detail == f"{tmp_path / 'notes'}, https://example.com/feed"


def test_a_configuration_that_is_named_and_missing_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [(one.state, "twin.yaml" in one.detail) for one in found("sources")] == [("warning", True)]
    monkeypatch.setenv("TWIN_CONFIG", str(tmp_path / "gone.yaml"))
    (problem,) = found("sources")
    assert problem.state == "problem"
    assert "gone.yaml does not exist" in problem.detail


def test_it_says_where_everything_goes_and_asks_what_is_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    (traces,) = found("traces")
    assert (traces.state, traces.detail) == ("ok", "the console's receiver")
    nobody = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("OPIK_URL_OVERRIDE", nobody)
    monkeypatch.setenv("MODEL_ENDPOINT_URL", f"{nobody}/v1")
    monkeypatch.setenv("COMET_URL_OVERRIDE", f"{nobody}/clientlib/")
    for what, setting in (
        ("traces", "OPIK_URL_OVERRIDE"),
        ("questions are answered by", "MODEL_ENDPOINT_URL"),
        ("model registry", "COMET_URL_OVERRIDE"),
    ):
        (finding,) = found(what)
        assert finding.state == "problem", what
        assert finding.detail.startswith(nobody)
        assert f"({setting})" in finding.detail
        assert "does not answer" in finding.detail


def test_a_former_name_of_a_setting_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRITER_MODEL", "small")
    assert ("warning", "WRITER_MODEL is now called TEACHER_MODEL; the old name will go") in [
        (finding.state, finding.detail) for finding in found("settings")
    ]
