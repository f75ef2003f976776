"""Words as reranking compares them: folded, cut to a stem, in any script."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from twin.text.links import without_targets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["STEM_LETTERS", "places_of", "terms"]

STEM_LETTERS = 6
"""Words are compared by their first letters and without a last `s`: `publishes` is `published`, `chunks` is `chunk`."""

KNOWN_WORDS = 100_000
"""At most so many words have their stems remembered, none of them longer than `KNOWN_WORD_CHARS`."""
KNOWN_WORD_CHARS = 40

KNOWN_TEXTS = 4_096
"""At most so many passages have the places of their words remembered, about 20 kB each."""

# Scripts that are written without spaces count character by character.
_WIDE = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_WIDE}]|[^\W_{_WIDE}]+")


class _Stems(dict[str, str]):
    """The stem of every word seen; reading is a dictionary look-up, which is what makes `terms` fast."""

    def __missing__(self, word: str) -> str:
        stem = (word.removesuffix("s") or word)[:STEM_LETTERS]
        if len(word) <= KNOWN_WORD_CHARS:
            if len(self) >= KNOWN_WORDS:
                self.clear()
            self[word] = stem
        return stem


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
