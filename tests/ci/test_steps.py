"""Every step of CI's jobs in a fresh clone, in the jobs' order: all that GitHub runs except for its actions."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.deploy.workflows import PROJECT, workflow

if TYPE_CHECKING:
    from pathlib import Path

CI = workflow("ci.yaml")
WANTED = os.environ.get("CI_JOBS", "").split() or list(CI["jobs"])
STEPS = [(job, step) for job in CI["jobs"] if job in WANTED for step in CI["jobs"][job]["steps"] if "run" in step]
NOT_PASSED_ON = ("PYTHONPATH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "VIRTUAL_ENV")


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is committed, and nothing else."""
    folder = tmp_path_factory.mktemp("ci") / "project"
    subprocess.run(["git", "clone", "--quiet", str(PROJECT), str(folder)], check=True)
    return folder


@pytest.mark.parametrize(("job", "step"), STEPS, ids=[f"{job}: {step['run']}" for job, step in STEPS])
def test_step(clone: Path, job: str, step: dict[str, Any]) -> None:
    # The index of CPU builds is GitHub's way to torch; here pip's own settings tell it.
    variables = {**os.environ, **step.get("env", {}), "CI": "true"}
    for name in NOT_PASSED_ON:
        variables.pop(name, None)
    command = ["bash", "-e", "-o", "pipefail", "-c", step["run"]]
    done = subprocess.run(
        command, cwd=clone, env=variables, capture_output=True, text=True, errors="replace", check=False
    )
    assert done.returncode == 0, f"{job}: {step['run']}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
