"""A question as words with their places, compared without case and diacritics."""

from __future__ import annotations

import re
from typing import NamedTuple

from twin.text.folding import folded_without_marks
from twin.text.scripts import word_pattern

__all__ = ["Token", "is_possessive", "tokens", "vocabulary", "without"]

_WORD = word_pattern()
_SPACES = re.compile(r"\s+")
_BEFORE_MARK = re.compile(r"[\s,;:]+([?.!])|\s+([,;:])")


class Token(NamedTuple):
    """A word as it stands in the question."""

    folded: str
    start: int
    end: int
    capital: bool


def vocabulary(words: str) -> frozenset[str]:
    """A set of words, written as a text."""
    return frozenset(_WORD.findall(words))


def tokens(text: str) -> list[Token]:
    """The words of a text in order; `Paul's` is `paul` and `s`."""
    return [
        Token(folded_without_marks(match.group()), match.start(), match.end(), match.group()[0].isupper())
        for match in _WORD.finditer(text)
    ]


def is_possessive(text: str, words: list[Token], last: int) -> bool:
    """Whether the word at `last` is followed by `'s`, or by an apostrophe alone where it ends in s."""
    end = words[last].end
    if text[end : end + 1] not in ("'", "’"):
        return False
    after = words[last + 1] if last + 1 < len(words) else None
    return words[last].folded.endswith("s") or (after is not None and after.folded == "s" and after.start == end + 1)


def without(text: str, spans: list[tuple[int, int]]) -> str:
    """The text with the spans cut out, tidied; the whole text when nothing but punctuation would be left."""
    kept, place = [], 0
    for start, end in sorted(spans):
        kept.append(text[place:start])
        place = max(place, end)
    kept.append(text[place:])
    rest = _BEFORE_MARK.sub(r"\1\2", _SPACES.sub(" ", " ".join(kept))).strip(" ,;:")
    return rest if _WORD.search(rest) else text
