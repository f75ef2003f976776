"""What short posts of any platform have in common."""

from __future__ import annotations

import re

from twin.text.segmentation import beginning
from twin.text.words import count_words

__all__ = ["SUBSTANTIAL_WORDS", "has_words", "headline", "is_substantial"]

TITLE_CHARS = 80
SUBSTANTIAL_WORDS = 40
"""An answer to somebody else is taken when it has at least this many words: a shorter one says little by itself."""
LEAST_WORDS = 3
NOT_WORDS = re.compile(r"https?://\S+|[@#]\w+")


def headline(text: str) -> str:
    """A title for a text that has none: the beginning of its first line."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if len(first) <= TITLE_CHARS:
        return first
    cut = beginning(first, TITLE_CHARS).rsplit(None, 1)[0]
    return f"{cut}\u2026"


def has_words(text: str) -> bool:
    """Whether there is more to it than links, names and tags."""
    return count_words(NOT_WORDS.sub(" ", text)) >= LEAST_WORDS


def is_substantial(text: str) -> bool:
    """Whether an answer to somebody else can be read by itself."""
    return count_words(NOT_WORDS.sub(" ", text)) >= SUBSTANTIAL_WORDS
