"""Importing anything connects to nothing, loads nothing heavy, and is quick."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PACKAGES = ("twin", "app", "resources", "assets", "sensors", "llm_twin_dagster")
HEAVY = {"torch", "transformers", "trl", "peft", "sagemaker", "comet_ml", "opik", "sentence_transformers", "matplotlib"}
SECONDS = 20.0
"""Generous: machines of CI are slow. What this catches is a model that loads, or torch, at import: both take longer."""

PROGRAM = """
import importlib, json, socket, sys, time

def refuse(*args, **kwargs):
    raise AssertionError("a connection at import time")

socket.socket.connect = refuse
began = time.perf_counter()
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps({"seconds": time.perf_counter() - began, "modules": sorted({m.split(".")[0] for m in sys.modules})}))
"""


def modules_of(package: str) -> list[str]:
    names = []
    for path in sorted((PROJECT / package).rglob("*.py")):
        parts = path.relative_to(PROJECT).with_suffix("").parts
        if parts[-1] == "__main__":
            continue
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def imported(names: list[str]) -> dict:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(names)], capture_output=True, text=True, cwd=PROJECT, check=False
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_every_module_of_a_package_is_quick_and_silent(package: str) -> None:
    found = imported(modules_of(package))
    assert HEAVY & set(found["modules"]) == set()
    assert found["seconds"] < SECONDS


def test_the_apps_never_load_dagster() -> None:
    assert "dagster" not in imported(modules_of("app"))["modules"]


def test_the_library_knows_neither_dagster_nor_litestar() -> None:
    assert {"dagster", "litestar"} & set(imported(modules_of("twin"))["modules"]) == set()
