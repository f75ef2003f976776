"""Words cut to stems: two cheap stemmers, and a text's stems with their places, in any script."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from twin.text.links import without_targets
from twin.text.scripts import HAN, HANGUL, KANA, word_pattern

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["places_of", "singular", "stem", "terms"]

STEM_LETTERS = 6
"""Enough to tell most words apart, few enough that endings are cut."""

KNOWN_WORDS = 100_000
"""At most so many words have their stems remembered, none of them longer than `KNOWN_WORD_CHARS`."""
KNOWN_WORD_CHARS = 40

KNOWN_TEXTS = 4_096
"""At most so many passages have the places of their words remembered, about 20 kB each."""

_WORD = word_pattern(alone=KANA + HAN + HANGUL)


def stem(word: str) -> str:
    """The first letters of a folded word, without a last `s`: `publishes` is `published`, `chunks` is `chunk`.

    For matching: what is found by it is judged again.
    """
    return (word.removesuffix("s") or word)[:STEM_LETTERS]


def singular(word: str) -> str:
    """A folded word without a plural's `s`; `class` stays. For telling topics, where a cut word would join two."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


class _Stems(dict[str, str]):
    """The stem of every word seen; reading is a dictionary look-up, which is what makes `terms` fast."""

    def __missing__(self, word: str) -> str:
        found = stem(word)
        if len(word) <= KNOWN_WORD_CHARS:
            if len(self) >= KNOWN_WORDS:
                self.clear()
            self[word] = found
        return found


_stems = _Stems()


def terms(text: str) -> list[str]:
    """The stems of a text's words in their order."""
    return list(map(_stems.__getitem__, _WORD.findall(text.casefold())))


@lru_cache(maxsize=KNOWN_TEXTS)
def places_of(text: str) -> Mapping[str, Sequence[int]]:
    """Where each word of a text stands: the number of words before it, by stem. Remembered for the passages found last.

    Where links lead is no text: words around a link are neighbours.

    The result is shared; do not change it.
    """
    places: dict[str, list[int]] = {}
    for place, word in enumerate(terms(without_targets(text))):
        places.setdefault(word, []).append(place)
    return places
