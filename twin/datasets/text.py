"""Comparing texts by their words."""

from __future__ import annotations

import re
from functools import cache

__all__ = ["SHINGLE_WORDS", "content_words", "normalise", "overlap", "shingles", "words"]

SHINGLE_WORDS = 8
"""Two texts that share a run of this many words share it by copying, hardly ever by chance."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_FUNCTION_WORDS = """
a about above after again all also am an and any are as at be because been before being below between both but
by can could did do does doing down during each few for from further had has have having he her here hers him
his how i if in into is it its itself just me more most my no nor not now of off on once only or other our out
over own same she should so some such than that the their them then there these they this those through to too
under until up very was we were what when where which while who whom why will with would you your
"""


def words(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation."""
    return _WORD.findall(text.casefold())


def normalise(text: str) -> str:
    """Equal for texts that differ in case, spacing and punctuation alone."""
    return " ".join(words(text))


def content_words(text: str) -> set[str]:
    """What a text is about: its words but the function words, a plural's s dropped."""
    return {_singular(word) for word in words(text) if word not in _function_words()}


def shingles(text: str, size: int = SHINGLE_WORDS) -> set[str]:
    """Every run of `size` words; the whole text when it has fewer, nothing when it has none."""
    found = words(text)
    if not found:
        return set()
    return {" ".join(found[start : start + size]) for start in range(max(1, len(found) - size + 1))}


def overlap(text: str, known: set[str], size: int = SHINGLE_WORDS) -> float:
    """The share, 0 to 1, of a text's shingles that are among `known`."""
    own = shingles(text, size)
    return len(own & known) / len(own) if own else 0.0


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


@cache
def _function_words() -> frozenset[str]:
    return frozenset(_FUNCTION_WORDS.split())
