"""What of a passage is the author's own voice: block quotes, pictures and torn sentences are taken away."""

from __future__ import annotations

import re

from twin.text.markdown import code_lines
from twin.text.segmentation import SENTENCE_MARKS

__all__ = ["own_words", "said_by_others"]

QUOTED_WORDS = 12
"""So many words between quotation marks are somebody's speech or a text that is shown; fewer are a term or a title."""

_BLOCK_QUOTE = re.compile(r" {0,3}>")
_PICTURE = re.compile(r"<img\b[^>]*>|!\[[^\]]*\]\([^)\n]*\)|^\s*</?(?:p|div|figure|figcaption|br)\b[^>]*>\s*$", re.M)
_BEFORE = re.compile(
    r"""\A(?:
    [ \t]*\n
    | \#{1,6}[ \t][^\n]*\n
    | (?P<fence>```|~~~)[^\n]*\n(?:.*?\n)??(?P=fence)[^\n]*(?:\n|\Z)
    | (?:\t|[ ]{4,})\S[^\n]*\n
    )+""",
    re.DOTALL | re.VERBOSE,
)
"""Headings and code before the first words."""
_QUOTED = re.compile(rf"[“«\"](?:[^\s”»\"]+\s+){{{QUOTED_WORDS - 1},}}[^\s”»\"]+[”»\"]")
_BLANK_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*)+(?=\n)|\n[ \t]*\n[ \t]*(?=\n)")
_TORN_START = re.compile(rf".*?[{SENTENCE_MARKS}][\"”')]*\s+(?=[\"“(]?[A-Z])", re.DOTALL)
_LEAD_IN = re.compile(rf"(?:(?<=[{SENTENCE_MARKS}])\s|\n|\A)[^{SENTENCE_MARKS}\n]*:[*_]*\s*\Z")


def own_words(text: str) -> str:
    """The passage without what another one said, and without what cannot be said at all.

    Block quotes and pictures go, with the words that lead to them ("As she put it:"), and headings and code before
    the first words. A passage that was cut from the middle of a sentence begins with the next one. Everything else
    stays as it was written.
    """
    kept: list[str] = []
    lines = text.split("\n")
    for line, is_code in zip(lines, code_lines(lines), strict=True):
        if _BLOCK_QUOTE.match(line) and not is_code:
            kept = _without_lead_in(kept)
        else:
            kept.append(line if is_code else _PICTURE.sub("", line).rstrip() if _PICTURE.search(line) else line)
    whole = _BLANK_LINES.sub("\n", "\n".join(_without_lead_in(kept)))
    return _from_a_sentence(_BEFORE.sub("", whole).strip())


def said_by_others(text: str) -> str:
    """The text with a blank for each long quotation, for judging how much is said besides."""
    return _QUOTED.sub(" ", text)


def _without_lead_in(lines: list[str]) -> list[str]:
    """The lines without a last sentence that ends with a colon: what it announces is not there."""
    text = "\n".join(lines).rstrip()
    shorter = _LEAD_IN.sub("", text) if text.endswith((":", ":*", ":**", ":_")) else text
    return shorter.split("\n") if len(shorter) < len(text) else lines


def _from_a_sentence(text: str) -> str:
    """From the first whole sentence on, where the passage begins in the middle of one."""
    is_torn = text[:1].islower() and text.split(maxsplit=1)[0].isalpha()  # not `libxml2 follows ...`
    found = _TORN_START.match(text) if is_torn else None
    return text[found.end() :] if found else text
