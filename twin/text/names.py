"""Names in an English question, told by their spelling: `GPT-4o`, `Slack`, `2.0`."""

from __future__ import annotations

import re

__all__ = ["names_in"]

_LIKE_A_NAME = re.compile(r"(?<=\s)[\"'“(]?(?P<name>[A-Z][\w.+#-]*\w|[\w.+#-]*\d[\w.+#-]*)")
_ASKS = re.compile(r"\b(?:how|what|which|why|who|when|where|do|does|did|is|are|can|should|the)\b", re.IGNORECASE)
_QUESTION = re.compile(r"(?:[^.!?\n]|\.(?=\S))*\?")
MOST_WORDS = 40
"""A longer text without a question mark is a letter, in which a name may be anybody's."""
_NO_NAMES = """
I I'm I've I'd I'll OK Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March April May June
July August September October November December English German French Spanish Chinese
"""
NO_NAMES = frozenset(_NO_NAMES.split())


def names_in(question: str) -> list[str]:
    """The names in what is asked, and what has digits; none of a question in another language than English.

    The first word of a sentence is none, for every first word has a capital letter.
    """
    asked = _QUESTION.findall(question) or ([question] if len(question.split()) <= MOST_WORDS else [])
    asked = [sentence.strip() for sentence in asked if _ASKS.search(sentence)]
    found = (match["name"].strip(".") for sentence in asked for match in _LIKE_A_NAME.finditer(sentence))
    return list(dict.fromkeys(name for name in found if name and name not in NO_NAMES))
