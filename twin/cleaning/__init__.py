"""Cleaning: the author's text and structure stay; boilerplate, secrets and personal data go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.cleaning.boilerplate import without_boilerplate
from twin.cleaning.duplicates import signature, text_hash
from twin.cleaning.language import detect_language
from twin.cleaning.personal_data import Finding, Redactor, find_personal_data, redact
from twin.cleaning.whitespace import normalise, settle_blank_lines
from twin.records import CleanedDocument
from twin.text.trackers import without_trackers

if TYPE_CHECKING:
    from collections import Counter

    from twin.records import Document

__all__ = [
    "VERSION",
    "Finding",
    "clean",
    "detect_language",
    "find_personal_data",
    "redact",
]

VERSION = "3"
"""Raise it when `clean` would give another result for the same document: then everything is cleaned again."""

MAX_PASSES = 8
"""Removing one thing can uncover another. Real documents settle in two passes."""


def clean(document: Document) -> CleanedDocument:
    """The document without boilerplate, with secrets and personal data replaced by placeholders such as `[EMAIL]`.

    Cleaning what is clean changes nothing. Fenced code keeps every character but for the secrets in it. A document that
    is nothing but boilerplate comes out with empty content. `language` is detected where the document does not say it.
    """
    title, title_redactions = _clean_title(document.title)
    content, redactions = _clean_content(document.content, title=title, author=document.author)
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


def _clean_title(title: str) -> tuple[str, Counter[str]]:
    redactor = Redactor()
    for _ in range(MAX_PASSES):
        safe = redactor.redact(" ".join(normalise(title).split()))
        if safe == title:
            break
        title = safe
    return title, redactor.counts


def _clean_content(content: str, *, title: str, author: str) -> tuple[str, Counter[str]]:
    """The content after as many passes as it takes until one removes nothing: only that can uncover another thing."""
    redactor = Redactor()
    for _ in range(MAX_PASSES):
        normal = without_trackers(normalise(content))
        safe = redactor.redact(normal)
        bare = without_boilerplate(safe, title=title, author=author)
        content = settle_blank_lines(bare)
        if bare == safe == normal:
            break
    return content, redactor.counts
