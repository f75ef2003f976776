"""Cleaning: the author's text and structure stay; boilerplate, secrets and personal data go."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from twin.cleaning.boilerplate import without_boilerplate
from twin.cleaning.duplicates import signature, text_hash
from twin.cleaning.language import detect_language
from twin.cleaning.links import without_trackers
from twin.cleaning.personal_data import Finding, find_personal_data, redact
from twin.cleaning.whitespace import normalise, settle_blank_lines
from twin.records import CleanedDocument

if TYPE_CHECKING:
    from collections.abc import Callable

    from twin.records import Document

__all__ = [
    "VERSION",
    "Finding",
    "clean",
    "detect_language",
    "find_personal_data",
    "redact",
]

VERSION = "2"
"""Raise it when `clean` would give another result for the same document: then everything is cleaned again."""

MAX_PASSES = 8
"""Removing one thing can uncover another. Real documents settle in two passes."""


def clean(document: Document) -> CleanedDocument:
    """The document without boilerplate, with secrets and personal data replaced by placeholders such as `[EMAIL]`.

    Cleaning what is clean changes nothing. Fenced code keeps every character but for the secrets in it. A document that
    is nothing but boilerplate comes out with empty content. `language` is detected where the document does not say it.
    """
    title, title_redactions = _settle(document.title, _clean_title)
    content, redactions = _settle(
        document.content, lambda text: _clean_content(text, title=title, author=document.author)
    )
    return CleanedDocument(
        id=document.id,
        url=document.url,
        source_id=document.source_id,
        author=document.author,
        title=title,
        content=content,
        kind=document.kind,
        platform=document.platform,
        published_at=document.published_at,
        language=document.language or detect_language(content),
        revision=document.revision,
        raw_hash=document.hash,
        redactions=dict(title_redactions + redactions),
        text_hash=text_hash(content),
        signature=signature(content),
    )


def _settle(text: str, step: Callable[[str], tuple[str, Counter[str]]]) -> tuple[str, Counter[str]]:
    """Applies `step` until the text no longer changes."""
    total: Counter[str] = Counter()
    for _ in range(MAX_PASSES):
        changed, redactions = step(text)
        total += redactions
        if changed == text:
            break
        text = changed
    return text, total


def _clean_title(title: str) -> tuple[str, Counter[str]]:
    return redact(" ".join(normalise(title).split()))


def _clean_content(content: str, *, title: str, author: str) -> tuple[str, Counter[str]]:
    safe, redactions = redact(without_trackers(normalise(content)))
    return settle_blank_lines(without_boilerplate(safe, title=title, author=author)), redactions
