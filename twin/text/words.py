"""The words of a text, in the ways in which the rooms count and compare them.

What a word is differs on purpose. Datasets, styles and signatures hold what these functions gave when they were made,
so a change here is a change of their versions. `twin.text.segmentation` has the words of any language.
"""

from __future__ import annotations

import re
from functools import cache

from twin.text.stems import singular

__all__ = [
    "claim_neutral",
    "content_words",
    "count_words",
    "normalise",
    "spellings",
    "topic_neutral",
    "words",
]

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_LETTERS = re.compile(r"[^\W\d_]+")
_SPELLING = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")

_FUNCTION_WORDS = """
a about after all also am an and any are as at be because been before being both but by can could did do does doing
during each for from further had has have having he her here hers him his how i if in into is it its just me more most
my of off on once only or other our out over own same she should so some such than that the their them then there these
they this those through to too under until up very was we were what when where which while who whom why will with would
you your
"""
_OF_NO_TOPIC = "above again below between down few itself no nor not now"
_OF_NO_CLAIM = "every like may might much must one really shall way well yes"


def words(text: str) -> list[str]:
    """The words of a text, folded, without punctuation; `don't` is one."""
    return _WORD.findall(text.casefold())


def normalise(text: str) -> str:
    """Equal for texts that differ in case, spacing and punctuation alone."""
    return " ".join(words(text))


def spellings(text: str) -> list[str]:
    """The words of a text as style counts them: in lower case, `don’t` as `don't`, no numbers."""
    return [word.replace("’", "'") for word in _SPELLING.findall(text.lower())]


def count_words(text: str) -> int:
    """How many runs of letters a text has: whether it says enough to be judged, at little cost."""
    return len(_LETTERS.findall(text))


def content_words(text: str) -> set[str]:
    """What a text is about: its words but the function words and negations, a plural's s dropped."""
    return {singular(word) for word in words(text) if word not in topic_neutral()}


@cache
def topic_neutral() -> frozenset[str]:
    """Words that are about nothing, negations among them."""
    return frozenset(f"{_FUNCTION_WORDS} {_OF_NO_TOPIC}".split())


@cache
def claim_neutral() -> frozenset[str]:
    """Words that claim nothing. Negations claim something: what supports `not` must say it too."""
    return frozenset(f"{_FUNCTION_WORDS} {_OF_NO_CLAIM}".split())
