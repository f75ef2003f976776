"""Spellings made one, for comparing."""

from __future__ import annotations

import unicodedata

__all__ = ["folded", "folded_without_marks"]


def folded(text: str) -> str:
    """The text without differences of case and form: `Straße` and `STRASSE` are one, and so are full-width, half-width,
    composed and decomposed letters. Diacritics stay: they tell words apart."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def folded_without_marks(word: str) -> str:
    """The word in lower case and without diacritics, as names are typed in a hurry: `Müller` is `muller`."""
    if word.isascii():
        return word.lower()
    decomposed = unicodedata.normalize("NFKD", word.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))
