"""JSON objects that are documents: lines of JSONL, and the records that the seed system exported."""

from __future__ import annotations

import ast
import re
from typing import cast, get_args

from twin.collection.collector import Draft
from twin.collection.web import urls
from twin.errors import InputError
from twin.records import DocumentKind
from twin.text.dates import parse_date

__all__ = ["draft_of", "parse_repr"]

STRING = r"""(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")"""
PAIR = re.compile(rf"\s*({STRING})\s*:\s*({STRING}|None|True|False|-?\d+(?:\.\d+)?)\s*(,|\}})", re.DOTALL)
MAX_PARTS = 1_000


def draft_of(record: object, fallback_url: str) -> Draft:
    """The document in one JSON object.

    `content` is markdown, or a mapping of part names to text, or that mapping as Python's repr. `fallback_url` is the
    file's own location; a record without a `url` or `link` is placed at `fallback_url#id`.

    Raises:
        InputError: It is not an object, or lacks what a document needs.
    """
    if not isinstance(record, dict):
        raise InputError("not a JSON object")
    title, subtitle, content = _content(record)
    url = _location(record, fallback_url)
    kind = record.get("kind")
    return Draft(
        url=url,
        title=title or url,
        content=_below_subtitle(subtitle, content),
        author=_text(record.get("author")) or _text(record.get("author_full_name")),
        kind=cast("DocumentKind", kind) if kind in get_args(DocumentKind) else "article",
        platform=_text(record.get("platform")) or urls.host(url) or "file",
        published_at=parse_date(record.get("published_at", record.get("date"))),
        language=_text(record.get("language")),
        said=_said(record),
    )


def _said(record: dict) -> dict[str, object]:
    """What the record says of itself beside its text. WordPress says within the content that it needs a password."""
    content = record.get("content")
    protected = content.get("protected") if isinstance(content, dict) else None
    said = {str(name): value for name, value in record.items() if name != "content"}
    return said if protected is None else {**said, "protected": protected}


def parse_repr(text: str) -> dict[str, str] | None:
    """The mapping whose Python repr `text` is, its texts alone; None when it is no such repr.

    Only a flat mapping of texts, numbers and None is taken, and each text is read by itself, so that nothing in it can
    be made deep or large.
    """
    text = text.strip()
    if not (text.startswith("{") and text.endswith("}")):
        return None
    parts: dict[str, str] = {}
    position, pairs = 1, 0
    while position < len(text):
        pair = PAIR.match(text, position)
        pairs += 1
        if pair is None or pairs > MAX_PARTS:
            return None
        try:
            name, value = ast.literal_eval(pair[1]), ast.literal_eval(pair[2])
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
        if isinstance(value, str):
            parts[name] = value
        position = pair.end()
    return parts


def _content(record: dict) -> tuple[str | None, str | None, str]:
    """Title, subtitle and markdown. A mapping gives its title, subtitle and content, then its other parts."""
    content = record.get("content")
    title, subtitle = _text(record.get("title")), _text(record.get("subtitle"))
    if isinstance(content, str):
        parsed = parse_repr(content)
        if not parsed:
            return title, subtitle, content
        content = parsed
    if not isinstance(content, dict):
        raise InputError("`content` must be text, or a mapping of part names to text")
    parts = {str(name): value for name, value in content.items() if isinstance(value, str) and value.strip()}
    named = {name.lower(): name for name in parts}
    title = title or parts.get(named.get("title", ""))
    subtitle = subtitle or parts.get(named.get("subtitle", ""))
    body = parts.get(named.get("content", ""), "")
    known = {named.get(name) for name in ("title", "subtitle", "content", "language", "link")}
    sections = [f"## {name}\n\n{value}" for name, value in parts.items() if name not in known]
    return _text(title), _text(subtitle), "\n\n".join([body, *sections] if body else sections)


def _below_subtitle(subtitle: str | None, content: str) -> str:
    """The content with its subtitle on top, unless its beginning has it already."""
    if not subtitle or subtitle in content[: len(subtitle) + 1_000]:
        return content
    return f"{subtitle}\n\n{content}"


def _location(record: dict, fallback_url: str) -> str:
    for name in ("url", "link"):
        if url := _text(record.get(name)):
            return urls.canonical(url)
    identity = record.get("id")
    if isinstance(identity, str | int) and str(identity).strip():
        return f"{fallback_url}#{str(identity).strip()}"
    raise InputError("it needs a `url` or an `id`")


def _text(value: object) -> str | None:
    return " ".join(value.split()) or None if isinstance(value, str) else None
