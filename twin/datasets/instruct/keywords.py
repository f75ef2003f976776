"""The words that tell a passage from the author's others, by tf-idf."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

from twin.text.links import without_links
from twin.text.words import content_words, topic_neutral, words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twin.records import Chunk

__all__ = ["Keywords"]

MIN_LETTERS = 4
NOUN_WEIGHT = 2.0
"""How much more a word counts that stands like a noun at least once: after an article and before punctuation, say."""

_CODE = re.compile(r"^(```|~~~).*?(?:^\1|\Z)|(`+)[^`\n]+\2|^(?:\t| {4,})\S[^\n]*$", re.MULTILINE | re.DOTALL)
CODE = "`"
"""Stands where code was: what is beside code may be a part of its name."""
_TOKEN = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*|[^\w\s]")
_ARTICLES = frozenset(
    {"a", "an", "the", "its", "their", "this", "these", "each", "every", "no", "my", "our", "your", "of"}
)
_ENDS = frozenset(".;:!?)")
"""No comma: an adjective stands before one as well."""
_REPEATED = {"a": "a", "an": "an", "the": "the", "its": "the", "their": "the", "this": "the", "each": "the"}
_NOT_NOUNS = ("ly", "ed", "est")
_WEAK_WORDS = """
thing things something anything everything nothing someone anyone people person time times way ways lot kind
sort part parts case cases example examples point reason fact use used using make made makes makes take taken
give given good better best well much many need needs want wants work works done even still also just then
when since first second third last next another other others same different new old long short high whole rest
place might must cannot always never often every enough here there today without within would could should
about like
"""
_WEAK = frozenset(_WEAK_WORDS.split())


class Keywords:
    """Keywords of passages, given the passages that they are compared with."""

    def __init__(self, corpus: Iterable[Chunk]) -> None:
        self._passages_with: Counter[str] = Counter()
        self._passages = 0
        for chunk in corpus:
            self._passages += 1
            self._passages_with.update(set(words(chunk.text)))

    def of(self, chunk: Chunk, count: int, *, without: str = "") -> list[str]:
        """At most `count` words as the passage writes them, the most telling first, none that `without` has.

        A word that stands behind an article keeps it: `the corpus`.
        """
        tokens = _TOKEN.findall(_CODE.sub(f" {CODE} ", without_links(chunk.text)).replace("’", "'"))
        known, stop = content_words(without), topic_neutral() | _WEAK
        occurrences = Counter(token.casefold() for token in tokens)
        nouns = _like_nouns(tokens)
        weights = {
            word: (1 + math.log(times)) * self._rarity(word) * (NOUN_WEIGHT if word in nouns else 1.0)
            for word, times in occurrences.items()
            if len(word) >= MIN_LETTERS and word not in stop and not word.endswith(_NOT_NOUNS) and "'" not in word
            if not content_words(word) <= known and not (word.endswith("ing") and word not in nouns)
        }
        best = _distinct(sorted(weights, key=lambda word: (-weights[word], word)))
        return [f"{nouns.get(word, '')} {_as_written(word, tokens)}".strip() for word in best[:count]]

    def _rarity(self, word: str) -> float:
        return math.log(1 + (1 + self._passages) / (1 + self._passages_with[word]))


def _like_nouns(tokens: list[str]) -> dict[str, str]:
    """The words that stand where a noun does, behind an article and before a mark or a function word.

    With the article where it can be repeated elsewhere: `its corpus` becomes `the corpus`, `a corpus` stays.
    """
    found: dict[str, str] = {}
    for before, word, after in zip(["", *tokens], tokens, [*tokens[1:], "."], strict=False):
        article = before.casefold()
        ends = after in _ENDS or after.casefold() in topic_neutral()
        if article in _ARTICLES and ends:
            found.setdefault(word.casefold(), _REPEATED.get(article, ""))
    return found


def _distinct(ordered: list[str]) -> list[str]:
    """Without forms of a word that comes earlier: `index` and `indexes` are one."""
    kept: list[str] = []
    for word in ordered:
        if not any(word[:5] == other[:5] for other in kept):
            kept.append(word)
    return kept


def _as_written(word: str, tokens: list[str]) -> str:
    """The spelling in the passage; a capital that only begins a sentence is none."""
    forms = {token for token in tokens if token.casefold() == word}
    return word if word in forms else min(forms)
