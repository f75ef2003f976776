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
    | [ ]{0,3}(?:[-*_][ \t]*){3,}\n
    | \#{1,6}[ \t][^\n]*\n
    | (?P<fence>```|~~~)[^\n]*\n(?:.*?\n)??(?P=fence)[^\n]*(?:\n|\Z)
    | (?:\t|[ ]{4,})\S[^\n]*\n
    )+""",
    re.DOTALL | re.VERBOSE,
)
"""Headings, rules and code before the first words."""
_QUOTED = re.compile(rf"[“«\"](?:[^\s”»\"]+\s+){{{QUOTED_WORDS - 1},}}[^\s”»\"]+[”»\"]")
_BLANK_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*)+(?=\n)|\n[ \t]*\n[ \t]*(?=\n)")
_TORN_START = re.compile(rf".*?[{SENTENCE_MARKS}][\"”')]*\s+(?=[\"“(]?[A-Z])", re.DOTALL)
_ENDED = re.compile(rf"[{SENTENCE_MARKS}][\"”’')*_`\]]*(?=\s|\Z)")
_ITEM = re.compile(r"\s*(?:[-*+•↳→]|\d+[.)]|\|)\s+\S|(?:\t| {4,})\S|(?:```|~~~)")
"""A line that is whole without a mark: of a list, a table or code."""
_RULE = re.compile(r"\s*(?:[-*_]\s*){3,}\Z")
MOST_TORN = 0.25
"""A text that loses more than this share of its words to being torn does without marks on purpose."""
_LEAD_IN = re.compile(rf"(?:(?<=[{SENTENCE_MARKS}])\s|\n|\A)[^{SENTENCE_MARKS}\n]*:[*_]*\s*\Z")


def own_words(text: str) -> str:
    """The passage without what another one said, and without what cannot be said at all.

    Block quotes and pictures go, with the words that lead to them ("As she put it:"), and headings and code before
    the first words. A passage that was cut in the middle of a sentence begins with the next one, or ends with the one
    before. Everything else stays as it was written.
    """
    kept: list[str] = []
    lines = text.split("\n")
    for line, is_code in zip(lines, code_lines(lines), strict=True):
        if _BLOCK_QUOTE.match(line) and not is_code:
            kept = _without_lead_in(kept)
        else:
            kept.append(line if is_code else _PICTURE.sub("", line).rstrip() if _PICTURE.search(line) else line)
    whole = _BLANK_LINES.sub("\n", "\n".join(_without_lead_in(kept)))
    return _to_a_sentence(_from_a_sentence(_BEFORE.sub("", whole).strip()))


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


def _to_a_sentence(text: str) -> str:
    """Up to the last whole sentence, where a heading, a rule or half a sentence follows it."""
    lines = text.split("\n")
    while lines and not _is_whole(lines[-1]):
        ends = [found.end() for found in _ENDED.finditer(lines[-1])]
        if ends:
            lines[-1] = lines[-1][: ends[-1]]
        else:
            lines.pop()
    shorter = "\n".join(lines).rstrip()
    return shorter if len(shorter.split()) >= (1 - MOST_TORN) * len(text.split()) else text


def _is_whole(line: str) -> bool:
    """Whether a text may end with a line: with a sentence, an item of a list or code, and not with a rule."""
    return not _RULE.match(line) and bool(_ENDED.search(line[-6:]) or _ITEM.match(line))
