"""The workflows of GitHub Actions as data, for the tests that judge and run them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[3]
WORKFLOWS = {path.name: path for path in sorted((PROJECT / ".github" / "workflows").glob("*.y*ml"))}


def workflow(name: str) -> dict[str, Any]:
    """A workflow by its file's name; YAML 1.1 reads its key `on` as true."""
    content = yaml.safe_load(WORKFLOWS[name].read_text("utf-8"))
    content["on"] = content.pop(True)
    return content


def steps(name: str) -> list[tuple[str, dict[str, Any]]]:
    """Every step of a workflow, with its job's name."""
    return [(job, step) for job, content in workflow(name)["jobs"].items() for step in content.get("steps", [])]
