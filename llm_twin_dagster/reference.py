"""Writes the reference from the code itself: `.env.example`, and the docs' pages of settings and commands.

python -m llm_twin_dagster.reference      # a test checks that the files are what this writes
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import click
import typer
from pydantic import AliasChoices
from pydantic_settings import BaseSettings

from llm_twin_dagster.cli import app
from twin.settings import SETTINGS_CLASSES

__all__ = ["pages", "write"]

PROJECT = Path(__file__).resolve().parent.parent
FRONT_MATTER = "---\ntitle: {title}\nauthor: The LLM Twin Team\ndate: 2026-11-22\n---\n\n"
WIDTH = 100


def pages() -> dict[str, str]:
    """Path in the project to what should stand there."""
    return {
        ".env.example": _env_example(),
        "docs/reference/settings.md": _settings_page(),
        "docs/reference/commands.md": _commands_page(),
    }


def write() -> None:
    """Writes every page."""
    for path, content in pages().items():
        (PROJECT / path).parent.mkdir(parents=True, exist_ok=True)
        (PROJECT / path).write_text(content, encoding="utf-8")


def _env_example() -> str:
    parts = [
        "# Every setting, at its default. Copy to .env and uncomment what should differ; .env is never committed.\n"
    ]
    for concern in SETTINGS_CLASSES:
        parts.append(f"\n# {_summary(concern)}\n")
        for name, value, description in _fields(concern):
            parts.extend(f"# {line}\n" for line in textwrap.wrap(description, WIDTH))
            parts.append(f"# {name}={value}\n")
    return "".join(parts)


def _settings_page() -> str:
    parts = [
        FRONT_MATTER.format(title="Settings"),
        "# Settings\n\nSettings are environment variables; a file `.env` in the working directory may hold them. "
        "`llm-twin doctor` says when one does not fit. This page is made from the code.\n",
    ]
    for concern in SETTINGS_CLASSES:
        parts.append(f"\n## {concern.__name__.removesuffix('Settings')}\n\n{_summary(concern)}\n\n")
        parts.append("| variable | default | meaning |\n|---|---|---|\n")
        for name, value, description in _fields(concern):
            parts.append(f"| `{name}` | {f'`{value}`' if value else ''} | {description} |\n")
    return "".join(parts)


def _commands_page() -> str:
    parts = [
        FRONT_MATTER.format(title="Commands"),
        "# Commands\n\nEvery verb of `llm-twin`, as its own help tells it. This page is made from the code.\n",
    ]
    root = typer.main.get_command(app)
    for path, command in _walk(["llm-twin"], root):
        context = click.Context(command, info_name=" ".join(path))
        usage = " ".join(piece for piece in command.collect_usage_pieces(context))
        parts.append(f"\n## {' '.join(path)}\n\n{_sentences(command.help)}\n\n```\n{' '.join(path)} {usage}\n```\n")
        options = [record for parameter in command.params if (record := parameter.get_help_record(context))]
        if options:
            parts.append("\n| option | meaning |\n|---|---|\n")
            parts.extend(f"| `{_cell(flags)}` | {_cell(meaning)} |\n" for flags, meaning in options)
    return "".join(parts)


def _walk(path: list[str], command: Any) -> list[tuple[list[str], Any]]:
    if not hasattr(command, "commands"):
        return [(path, command)]
    return [found for name, child in command.commands.items() for found in _walk([*path, name], child)]


def _fields(concern: type[BaseSettings]) -> list[tuple[str, str, str]]:
    """Variable, default as written in a file, meaning."""
    rows = []
    for field in concern.model_fields.values():
        default = "" if field.default is None else str(field.default)
        alias = field.validation_alias
        name = alias.choices[0] if isinstance(alias, AliasChoices) else alias
        rows.append((str(name), default, _sentences(field.description)))
    return rows


def _summary(concern: type) -> str:
    return _sentences(concern.__doc__)


def _sentences(text: str | None) -> str:
    return " ".join((text or "").split())


def _cell(text: str) -> str:
    return _sentences(text).replace("|", "\\|")


if __name__ == "__main__":
    write()
