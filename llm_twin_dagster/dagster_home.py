"""DAGSTER_HOME: its dagster.yaml, which is ours and the operator's in one, and the instance that it describes."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from twin import disk
from twin.errors import PlatformError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from dagster import DagsterInstance

    from twin.home import Home

__all__ = ["open_instance", "prepare"]

OURS = Path(__file__).resolve().parent.parent / "dagster.yaml"
HEADER = """\
# Dagster's settings for this twin. Change what you like: your values stay, and what you leave as it is follows the
# version of llm-twin that runs. Delete this file to go back to its defaults.
"""
DEFAULTS_HEADER = "# What llm-twin set at its last start: tells what you changed in dagster.yaml. Not to be edited.\n"
DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)


def prepare(home: Home) -> None:
    """Brings DAGSTER_HOME up to date: our settings as defaults under those that the operator changed in dagster.yaml.

    Raises:
        SettingsError: dagster.yaml cannot be read.
        PlatformError: A database of Dagster is damaged.
    """
    home.dagster.mkdir(parents=True, exist_ok=True)
    target, last = home.dagster / "dagster.yaml", home.dagster / "defaults.yaml"
    ours = _load(OURS)
    if target.exists():
        found = _load(target)
        theirs = _changed(found, _load(last) if last.exists() else ours)
        if (wanted := _merged(ours, theirs)) != found:
            text = yaml.safe_dump(wanted, sort_keys=False) if theirs else OURS.read_text(encoding="utf-8")
            _replace(target, HEADER + text)
    else:
        _replace(target, HEADER + OURS.read_text(encoding="utf-8"))
    _replace(last, DEFAULTS_HEADER + yaml.safe_dump(ours, sort_keys=False))
    _check_databases(home)


@contextlib.contextmanager
def open_instance(home: Home) -> Generator[DagsterInstance]:
    """The Dagster instance of a home, for the length of the block.

    Raises:
        SettingsError: dagster.yaml cannot be read, or says something that Dagster does not know.
        PlatformError: A database of Dagster is damaged.
    """
    import dagster as dg

    prepare(home)
    os.environ["DAGSTER_HOME"] = str(home.dagster)
    try:
        instance = dg.DagsterInstance.get()
    except dg.DagsterInvalidConfigError as error:
        problems = " ".join(str(problem.message) for problem in error.errors or ()) or str(error).partition("\n")[0]
        raise SettingsError(
            f"Dagster does not take {home.dagster / 'dagster.yaml'}: {problems} Correct it, or delete it to go back "
            "to the defaults.",
            detail=str(error),
        ) from None
    with instance:
        yield instance


def _check_databases(home: Home) -> None:
    """Dagster itself would show a stack of frames for each step that meets a damaged file."""
    for path in sorted(
        [
            *home.dagster.glob("history/*.db"),
            *home.dagster.glob("schedules/*.db"),
            *home.dagster.glob("history/runs/index.db"),
        ]
    ):
        try:
            with contextlib.closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA schema_version")
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", None) not in DAMAGED:
                continue
            raise PlatformError(
                f"{path} is damaged ({error}). It holds Dagster's history of runs, and none of your documents, models "
                f"or answers. Move it away and run this again: mv {path} {path}.damaged",
                detail=str(error),
            ) from None


def _load(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        why = " ".join(str(error).split())
        raise SettingsError(
            f"{path} is not YAML: {why}. Correct it, or delete it to go back to the defaults."
        ) from None
    if not isinstance(found, dict | None):
        raise SettingsError(f"{path} must name settings (`name: value`). Correct it, or delete it.")
    return found or {}


def _changed(found: Mapping[str, Any], last: Mapping[str, Any]) -> dict[str, Any]:
    """What `found` sets otherwise than `last` did."""
    changed = {}
    for name, value in found.items():
        before = last.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            value = _changed(value, before)
            if value:
                changed[name] = value
        elif name not in last or value != before:
            changed[name] = value
    return changed


def _merged(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """`ours` where `theirs` says nothing."""
    both = {**ours, **theirs}
    for name, value in theirs.items():
        default = ours.get(name)
        if isinstance(value, dict) and isinstance(default, dict):
            both[name] = _merged(default, value)
    return both


def _replace(path: Path, text: str) -> None:
    """Writes the file where it differs."""
    if not path.exists() or path.read_bytes() != text.encode():
        disk.write(path, text.encode())
