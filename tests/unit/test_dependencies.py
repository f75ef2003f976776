"""What the code imports is declared: in the dependencies, or in the extra of the part that imports it."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
OURS = {"llm_twin_dagster", "sensors", "assets", "resources", "app", "twin"}
EXTRAS = {
    "app": {"app"},
    "app/inference": {"app", "train"},
    "twin/collection": {"collect"},
    "twin/cleaning": {"collect"},
    "twin/datasets": {"train"},  # exporting to Hugging Face's format
    "twin/aws": {"aws"},
    "twin/training": {"train", "aws"},  # SageMaker's SDK
    "twin/evaluation": {"train"},
    "twin/features": {"train"},  # sentence models of other kinds than BERT
    "twin/retrieval": {"train"},  # a cross-encoder
}
"""Folders whose code may need more than the dependencies; each import that does so is inside of a function."""


def declared() -> dict[str, set[str]]:
    """The names of distributions, by extra; `""` holds the dependencies."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    return {extra: {plain(re.split(r"[\s;<>=!~\[]", line)[0]) for line in lines} for extra, lines in groups.items()}


def plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found - OURS - set(sys.stdlib_module_names)


@pytest.mark.parametrize("folder", sorted(OURS))
def test_every_import_is_declared_where_it_is_needed(folder: str) -> None:
    groups, owners = declared(), packages_distributions()
    undeclared = []
    for path in sorted((PROJECT / folder).rglob("*.py")):
        place = path.relative_to(PROJECT)
        extras = EXTRAS.get("/".join(place.parts[:2]), EXTRAS.get(place.parts[0], set()))
        allowed = set().union(groups[""], *(groups[extra] for extra in extras))
        for module in sorted(imported(path)):
            if not {plain(name) for name in owners.get(module, [])} & allowed:
                undeclared.append(f"{place}: {module}")
    assert undeclared == []
