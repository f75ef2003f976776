"""The block of YAML, TOML or JSON that may open a text: title, author, date, url, language, and what else it says."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import date, time
from typing import NamedTuple

import msgspec

from twin.collection.files import plain_yaml
from twin.errors import SourceFailed

__all__ = ["FrontMatter", "split"]

MAX_CHARS = 65_536
YAML_OPENING = re.compile(r"---[ \t]*\r?\n")
YAML_CLOSING = re.compile(r"^(?:---|\.\.\.)[ \t]*\r?$", re.MULTILINE)
TOML_OPENING = re.compile(r"\+\+\+[ \t]*\r?\n")
TOML_CLOSING = re.compile(r"^\+\+\+[ \t]*\r?$", re.MULTILINE)
DATES = ("date", "published", "published_at", "created", "date created")
"""The names of the day of publication, the surest first; Obsidian's templates write the last two."""
NOTE_LINK = re.compile(r"\[\[(?:[^\[\]|]*[|/])?(?P<name>[^\[\]|/]+)\]\]")
LOOKS_LIKE_YAML = re.compile(r"\s*(?:#.*\n\s*)*[A-Za-z_][\w -]{0,60}:(?:\s|$)")
LOOKS_LIKE_TOML = re.compile(r"\s*(?:#.*\n\s*)*(?:[A-Za-z_][\w.-]{0,60}[ \t]*=|\[)")
JSON_SIGNS = frozenset({"title", "date", "draft"})
"""JSON that opens a text is taken for its front matter when it names one of these, as Hugo's does."""


class FrontMatter(msgspec.Struct, frozen=True, kw_only=True):
    """What a document says about itself, as text."""

    title: str | None = None
    author: str | None = None
    date: str | None = None
    url: str | None = None
    language: str | None = None
    fields: dict[str, plain_yaml.Plain] = {}
    """All that it says, by name in lower case."""


class _Block(NamedTuple):
    """What a front matter says, and where the text after it begins."""

    fields: dict[str, plain_yaml.Plain]
    end: int


def split(text: str) -> tuple[FrontMatter, str]:
    """The front matter of a text, and the text after it. Text without front matter comes back as it is.

    A rule (`---`, `+++`) that opens a text is not front matter: the line after it must look like `key: value`.

    Raises:
        SourceFailed: It starts like front matter and is not YAML that is read here (see `plain_yaml`), or not TOML.
    """
    block = _yaml(text) or _toml(text) or _json(text)
    if block is None:
        return FrontMatter(), text
    return _read(block.fields), text[block.end :].lstrip("\r\n")


def _yaml(text: str) -> _Block | None:
    block, end = _between(text, YAML_OPENING, YAML_CLOSING)
    if not LOOKS_LIKE_YAML.match(block):
        return None
    try:
        fields = plain_yaml.read(block)
    except plain_yaml.NotPlainYaml as error:
        line = error.line + 2  # from 1, and below the rule
        raise SourceFailed(f"its front matter {error} near line {line}: repair it or remove it") from None
    return _Block(fields, end) if isinstance(fields, dict) else None


def _toml(text: str) -> _Block | None:
    block, end = _between(text, TOML_OPENING, TOML_CLOSING)
    if not LOOKS_LIKE_TOML.match(block):
        return None
    try:
        return _Block(_plain_fields(tomllib.loads(block.replace("\r\n", "\n"))), end)
    except (ValueError, RecursionError) as error:
        raise SourceFailed(f"its front matter is not valid TOML: {error}. Repair it or remove it") from None


def _json(text: str) -> _Block | None:
    if not text.startswith("{"):
        return None
    try:
        fields, end = json.JSONDecoder().raw_decode(text[:MAX_CHARS])
        return _Block(_plain_fields(fields), end) if JSON_SIGNS & fields.keys() else None
    except (ValueError, RecursionError):  # a text that begins with a brace
        return None


def _between(text: str, opening: re.Pattern[str], closing: re.Pattern[str]) -> tuple[str, int]:
    """What stands between two rules at the beginning of a text, and where the second one ends; nothing and 0."""
    opened = opening.match(text)
    closed = closing.search(text, opened.end(), opened.end() + MAX_CHARS) if opened else None
    return (text[opened.end() : closed.start()], closed.end()) if opened and closed else ("", 0)


def _plain_fields(fields: dict[str, object]) -> dict[str, plain_yaml.Plain]:
    return {name: _plain(value) for name, value in fields.items()}


def _plain(value: object) -> plain_yaml.Plain:
    """A value of TOML or JSON as YAML's are read: text, as its author would write it."""
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date | time):
        return value.isoformat()
    return None if value is None else str(value)


def _read(fields: dict[str, plain_yaml.Plain]) -> FrontMatter:
    named = {key.lower(): value for key, value in fields.items()}
    return FrontMatter(
        title=_text(named.get("title")),
        author=_author(named.get("author", named.get("authors"))),
        date=next((day for key in DATES if (day := _text(named.get(key)))), None),
        url=_text(named.get("url", named.get("canonical_url"))),
        language=_text(named.get("language", named.get("lang"))),
        fields=named,
    )


def _author(value: plain_yaml.Plain) -> str | None:
    """One name: a text, `{name: ...}`, or the first of a list of either. Of a link to a note, as Obsidian's clipper
    writes, what it shows."""
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, dict):
        value = value.get("name")
    name = _text(value)
    link = NOTE_LINK.fullmatch(name) if name else None
    return link["name"].strip() if link else name


def _text(value: plain_yaml.Plain) -> str | None:
    return " ".join(value.split()) or None if isinstance(value, str) else None
