"""Which passage supports which sentence of an answer, decided after the answer is there.

A 135M model cannot be trusted to cite, so nothing it writes counts as a citation. A sentence is supported by a passage
that contains most of its content words and all of its numbers. That is cheap (no model), and it fails in a known way:
it cannot tell a sentence from its negation, nor a good paraphrase from an invention, so a paraphrase may be marked as
unsupported.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from twin.text.folding import folded
from twin.text.scripts import HAN, HANGUL, KANA
from twin.text.segmentation import SENTENCE_MARKS
from twin.text.stems import stem
from twin.text.words import claim_neutral

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MIN_CONTAINMENT", "CitedSentence", "cite", "sentences"]

MIN_CONTAINMENT = 0.6
"""The share of a sentence's content words that a passage must contain to support it."""

TIE = 0.1
"""Passages this close to the best one support the sentence too."""

# The end of a sentence before white space, unless what ends is an initial or an abbreviation; or a line break.
_BOUNDARY = re.compile(
    rf"(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\b[A-Z]\.)(?<=[{SENTENCE_MARKS}])[\"')\]]*\s+|(?<=[。！？])\s*|\n\s*"
)
_MARKER = re.compile(r"\[\d+\]")
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")
_WIDE = re.compile(f"[{KANA}{HAN}{HANGUL}]")


class CitedSentence(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence of an answer, with the white space after it: all of them joined are the answer."""

    text: str
    sources: list[int]
    """Numbers of the passages that support it, from 1, best first."""
    supported: bool
    """False when it says something that no passage says. A sentence without content words says nothing."""


def cite(answer: str, passages: Sequence[str]) -> list[CitedSentence]:
    """Each sentence of `answer` with the numbers of the passages that support it."""
    contents = [_content(passage) for passage in passages]
    return [_cited(sentence, contents) for sentence in sentences(answer)]


def sentences(text: str) -> list[str]:
    """`text` cut after sentences and at line breaks; nothing is lost, white space stays with what it follows."""
    ends = [match.end() for match in _BOUNDARY.finditer(text) if match.end() > 0]
    bounds = list(dict.fromkeys([0, *ends, len(text)]))
    return [text[start:end] for start, end in pairwise(bounds)]


def _cited(sentence: str, passages: Sequence[frozenset[str]]) -> CitedSentence:
    said = _content(_MARKER.sub(" ", sentence))
    if not said:
        return CitedSentence(text=sentence, sources=[], supported=True)
    shares = {number: _support(said, passage) for number, passage in enumerate(passages, start=1)}
    best = max(shares.values(), default=0.0)
    if best < MIN_CONTAINMENT:
        return CitedSentence(text=sentence, sources=[], supported=False)
    close = [number for number, share in shares.items() if share >= max(MIN_CONTAINMENT, best - TIE)]
    return CitedSentence(text=sentence, sources=sorted(close, key=lambda n: -shares[n]), supported=True)


def _support(said: frozenset[str], passage: frozenset[str]) -> float:
    """The share of what is said that the passage contains; 0 when it lacks one of the numbers."""
    missing = said - passage
    if any(word[0].isdigit() for word in missing):
        return 0.0
    return 1 - len(missing) / len(said)


def _content(text: str) -> frozenset[str]:
    """The words that carry meaning, as compared: folded, cut to a stem; runs without spaces as pairs of characters."""
    words: set[str] = set()
    for word in _TOKEN.findall(folded(text)):
        if _WIDE.search(word):
            words.update(word[i : i + 2] for i in range(max(1, len(word) - 1)))
        elif word[0].isdigit():
            words.add(word)
        elif len(word) > 1 and word not in claim_neutral():
            words.add(stem(word))
    return frozenset(words)
