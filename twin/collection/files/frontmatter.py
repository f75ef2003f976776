"""The YAML block that may open a markdown file: title, author, date, url, language."""

from __future__ import annotations

import re

import msgspec

from twin.collection.files import plain_yaml
from twin.errors import SourceFailed

__all__ = ["FrontMatter", "split"]

MAX_CHARS = 65_536
FENCE = re.compile(r"^(?:---|\.\.\.)[ \t]*\r?$", re.MULTILINE)
DATES = ("date", "published", "published_at", "created", "date created")
"""The names of the day of publication, the surest first; Obsidian's templates write the last two."""
LOOKS_LIKE_YAML = re.compile(r"\s*(?:#.*\n\s*)*[A-Za-z_][\w -]{0,60}:(?:\s|$)")


class FrontMatter(msgspec.Struct, frozen=True, kw_only=True):
    """What a document says about itself, as text."""

    title: str | None = None
    author: str | None = None
    date: str | None = None
    url: str | None = None
    language: str | None = None


def split(markdown: str) -> tuple[FrontMatter, str]:
    """The front matter of a markdown text, and the text after it. Text without front matter comes back as it is.

    A rule (`---`) that opens a text is not front matter: the line after it must look like `key: value`.

    Raises:
        SourceFailed: It starts like front matter and is not YAML that is read here; see `plain_yaml`.
    """
    opening = re.match(r"---[ \t]*\r?\n", markdown)
    if not opening:
        return FrontMatter(), markdown
    closing = FENCE.search(markdown, opening.end(), opening.end() + MAX_CHARS)
    if not closing:
        return FrontMatter(), markdown
    block = markdown[opening.end() : closing.start()]
    if not LOOKS_LIKE_YAML.match(block):
        return FrontMatter(), markdown
    try:
        fields = plain_yaml.read(block)
    except plain_yaml.NotPlainYaml as error:
        line = error.line + 2  # from 1, and below the rule
        raise SourceFailed(f"its front matter {error} near line {line}: repair it or remove it") from None
    if not isinstance(fields, dict):
        return FrontMatter(), markdown
    return _read(fields), markdown[closing.end() :].lstrip("\r\n")


def _read(fields: dict[str, plain_yaml.Plain]) -> FrontMatter:
    named = {key.lower(): value for key, value in fields.items()}
    return FrontMatter(
        title=_text(named.get("title")),
        author=_author(named.get("author", named.get("authors"))),
        date=next((date for key in DATES if (date := _text(named.get(key)))), None),
        url=_text(named.get("url", named.get("canonical_url"))),
        language=_text(named.get("language", named.get("lang"))),
    )


def _author(value: plain_yaml.Plain) -> str | None:
    """One name: a text, `{name: ...}`, or the first of a list of either."""
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, dict):
        value = value.get("name")
    return _text(value)


def _text(value: plain_yaml.Plain) -> str | None:
    return " ".join(value.split()) or None if isinstance(value, str) else None
