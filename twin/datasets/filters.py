"""What a written instruction must be, to be learned from."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from twin.text.shingles import overlap, shingles
from twin.text.words import content_words, normalise, words

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["MAX_WORDS", "MIN_WORDS", "tidy", "why_not"]

MIN_WORDS, MAX_WORDS = 3, 30
COPIED_WORDS = 6
"""A run of this many words, in half of the instruction or more, is copied from the passage."""

_IMPERATIVES = """
analyze argue calculate characterize classify clarify comment compare consider contrast convince create define
demonstrate describe detail discuss distinguish elaborate evaluate explain explore give help identify
illustrate imagine interpret introduce justify list name narrate outline persuade present prove provide
recommend recount reflect rephrase report review rewrite share show sketch specify state suggest summarise
summarize teach tell think walk write
"""
"""Verbs that a request begins with."""

_LABEL = re.compile(
    r"^(?:(?:question|instruction|q|answer|task|topic)\s*\d*\s*[:.)]|\d+[.)]|[-*•#>]+)\s*", re.IGNORECASE
)
_COMPLIMENT = re.compile(
    r"^(?:(?:what|that['’]s|that is|this is)\s+an?\s+(?:\w+\s+)?(?:excellent|good|great|interesting)\s+\w+"
    r"[^.!?]*[.!]\s*)+",
    re.IGNORECASE,
)
_QUOTES = "\"'`“”‘’«»*_ \t"
_ABOUT_A_TEXT = re.compile(
    r"\b(?:th(?:is|ese|at)|the|given|above|following|your)\s+(?:\w+\s+)?"
    r"(?:passages?|texts?|paragraphs?|articles?|excerpts?|notes?|sections?|sentences?|documents?|authors?|writers?"
    r"|snippets?|quotes?|answers?)\b",
    re.IGNORECASE,
)


def tidy(reply: str) -> str:
    """The instruction in a model's reply: its first line, up to the first question mark.

    Labels, quotes and compliments before it ("What a great question.") are dropped.
    """
    line = next((line.strip() for line in reply.splitlines() if line.strip()), "")
    bare = _LABEL.sub("", line.strip(_QUOTES)).strip(_QUOTES)
    question, mark, _ = _COMPLIMENT.sub("", bare).partition("?")
    return " ".join(f"{question}{mark}".split())


def why_not(instruction: str, passage: str, examples: Collection[str] = ()) -> str | None:
    """Why an instruction is not one that the passage answers, or None when it may be.

    `examples` are the normalised instructions that the writer was shown; a weak model gives them back.
    """
    found = words(instruction)
    if not found:
        return "empty"
    if not MIN_WORDS <= len(found) <= MAX_WORDS:
        return "not 3 to 30 words"
    if not instruction.endswith("?") and found[0] not in _imperatives():
        return "neither question nor request"
    if normalise(instruction) in examples:
        return "repeats an example"
    if _ABOUT_A_TEXT.search(instruction):
        return "about the text itself"
    if not content_words(instruction) & content_words(passage):
        return "not about the passage"
    if _copied(instruction, passage):
        return "copied from the passage"
    return None


def _copied(instruction: str, passage: str) -> bool:
    return overlap(instruction, shingles(passage, COPIED_WORDS), COPIED_WORDS) >= 0.5


@cache
def _imperatives() -> frozenset[str]:
    return frozenset(_IMPERATIVES.split())
