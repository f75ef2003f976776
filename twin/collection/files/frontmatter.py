"""The YAML block that may open a markdown file: title, author, date, url, language."""

from __future__ import annotations

import re

import msgspec
import yaml

from twin.errors import SourceFailed

__all__ = ["FrontMatter", "split"]

MAX_CHARS = 65_536
FENCE = re.compile(r"^(?:---|\.\.\.)[ \t]*\r?$", re.MULTILINE)
DATES = ("date", "published", "published_at", "created", "date created")
"""The names of the day of publication, the surest first; Obsidian's templates write the last two."""
LOOKS_LIKE_YAML = re.compile(r"\s*(?:#.*\n\s*)*[A-Za-z_][\w -]{0,60}:(?:\s|$)")


class FrontMatter(msgspec.Struct, frozen=True, kw_only=True):
    """What a document says about itself. Values are as the YAML gave them: a date may be a date or text."""

    title: str | None = None
    author: str | None = None
    date: object = None
    url: str | None = None
    language: str | None = None


def split(markdown: str) -> tuple[FrontMatter, str]:
    """The front matter of a markdown text, and the text after it. Text without front matter comes back as it is.

    A rule (`---`) that opens a text is not front matter: the line after it must look like `key: value`.

    Raises:
        SourceFailed: It starts like front matter and is not YAML.
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
        fields = yaml.safe_load(block)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 2
        raise SourceFailed(f"its front matter is not valid YAML near line {line}: repair it or remove it") from None
    if not isinstance(fields, dict):
        return FrontMatter(), markdown
    return _read(fields), markdown[closing.end() :].lstrip("\r\n")


def _read(fields: dict) -> FrontMatter:
    named = {str(key).lower(): value for key, value in fields.items() if isinstance(key, str)}
    return FrontMatter(
        title=_text(named.get("title")),
        author=_author(named.get("author", named.get("authors"))),
        date=next((named[key] for key in DATES if named.get(key)), None),
        url=_text(named.get("url", named.get("canonical_url"))),
        language=_text(named.get("language", named.get("lang"))),
    )


def _author(value: object) -> str | None:
    """One name: a string, `{name: ...}`, or the first of a list of either."""
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, dict):
        value = value.get("name")
    return _text(value)


def _text(value: object) -> str | None:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    return " ".join(str(value).split()) or None
