"""Words, sentences and lengths of a text in any language, by the rules of Unicode (UAX #29).

The rules know no vocabulary. Chinese characters, hiragana and the letters of Thai, Lao, Khmer and Burmese are a word
each, with the marks on them; katakana and Korean are words as they are written. Nothing here knows the words of those
languages; `search_terms` takes such letters in pairs of neighbours, which tell what a text is about nearly as well.
Sentences end also at each line break, and at a number with a point (`am 3. Mai`), which only a vocabulary could tell.

Retrieval, near-duplicates, chunks and datasets do not count words by it yet: what they give is kept by versions, and
`twin.text.words` says what they count.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from unicode_segmentation_rs import graphemes, split_word_bounds, unicode_sentences

from twin.text.folding import folded
from twin.text.scripts import HAN, HIRAGANA, KHMER, LAO, MYANMAR, RARE_HAN, THAI

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "SENTENCE_MARKS",
    "Span",
    "beginning",
    "length",
    "search_terms",
    "sentence_spans",
    "sentences",
    "word_spans",
    "words",
]

SENTENCE_MARKS = ".!?…।॥؟۔"
"""What ends a sentence where a blank follows: in Latin, Greek and Cyrillic letters, Devanagari, Arabic and Urdu."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_SAYS_SOMETHING = re.compile(r"[^\W_]")
_LONE = re.compile(f"[{THAI}{LAO}{MYANMAR}{KHMER}{HIRAGANA}{HAN}{RARE_HAN}]")
_GAP = re.compile(r"[\W_]{100,}")
"""Ends a sentence: the library takes time with the square of blanks after a point."""
_BLANKS = " \t\u00a0\u202f"
_ABBREVIATION = re.compile(
    r"(?<!\w)(?:[^\W\d_]|[Ee]\.g|[Ii]\.e|[Cc]f|vs|approx|Dr|Mrs?|Ms|Prof|St|Fig|[Nn]r|[Cc]a|bzw|[Vv]gl|sog)\.\Z"
)
"""An initial, and what hardly ever ends a sentence in English and German."""
_LONGEST_ABBREVIATION = 10


class Span(NamedTuple):
    """A part of a text, in characters as Python counts them."""

    start: int
    end: int


def word_spans(text: str) -> Iterator[Span]:
    """Where the words of a text stand, in their order; punctuation, symbols and blanks belong to none."""
    start = 0
    for part in split_word_bounds(_encodable(text)):
        end = start + len(part)
        if _SAYS_SOMETHING.search(part):
            yield Span(start, end)
        start = end


def words(text: str) -> list[str]:
    """The words of a text as they are written: `don't`, `3.14` and `हिन्दी` are one each, `中文` is two."""
    return [text[start:end] for start, end in word_spans(text)]


def search_terms(text: str) -> list[str]:
    """The words of a text, folded, for telling what it is about.

    Letters that are a word each come in pairs of neighbours, `北京市` as `北京` and `京市`; a single one by itself.
    """
    same = folded(text)
    spans = list(word_spans(same))
    is_lone = [_LONE.match(same, start) is not None for start, _ in spans]
    joins = [
        one.end == next_one.start and both
        for (one, next_one), both in zip(pairwise(spans), map(all, pairwise(is_lone)), strict=True)
    ]
    return [
        same[span.start : next_one.end if joins_next else span.end]
        for span, next_one, was_joined, joins_next in zip(
            spans, [*spans[1:], *spans[-1:]], [False, *joins], [*joins, False], strict=False
        )
        if joins_next or not was_joined
    ]


def sentence_spans(text: str) -> Iterator[Span]:
    """Where the sentences of a text stand, each with the blanks after it: together they are the text."""
    ends = [end for end in _sentence_ends(text) if not _ABBREVIATION.search(_last_word(text, end))]
    yield from (Span(start, end) for start, end in pairwise(dict.fromkeys([0, *ends, len(text)])))


def sentences(text: str) -> list[str]:
    """The sentences of a text, each with the blanks after it: joined they are the text."""
    return [text[start:end] for start, end in sentence_spans(text)]


def length(text: str) -> int:
    """How many characters a reader sees: a letter with its accents is one, and so is a family of emoji."""
    if text.isascii():
        return len(text) - text.count("\r\n")
    return len(graphemes(_encodable(text), is_extended=True))


def beginning(text: str, most: int) -> str:
    """The beginning of a text, at most `most` characters as Python counts them, where none that a reader sees is torn.

    A single one that is longer is cut all the same.
    """
    if len(text) <= most or text.isascii():
        return text[:most]
    end = 0
    for seen in graphemes(_encodable(text[: most + 1]), is_extended=True):
        if end + len(seen) > most:
            break
        end += len(seen)
    return text[: end or most]


def _sentence_ends(text: str) -> Iterator[int]:
    """Where sentences end by the library, which leaves out those with neither letter nor digit, and at long gaps."""
    start, text = 0, _encodable(text)
    for gap in _GAP.finditer(text):
        yield from (start + end for end in _ends_within(text[start : gap.start()]))
        yield gap.end()
        start = gap.end()
    yield from (start + end for end in _ends_within(text[start:]))


def _ends_within(text: str) -> Iterator[int]:
    """Each sentence is looked for by what it has up to its first letter, which nothing that was left out contains."""
    end = 0
    for sentence in unicode_sentences(text):
        first = _SAYS_SOMETHING.search(sentence)
        end = text.index(sentence[: first.end()] if first else sentence, end) + len(sentence)
        if end < len(text):
            yield end


def _last_word(text: str, end: int) -> str:
    while end > 0 and text[end - 1] in _BLANKS:
        end -= 1
    return text[max(0, end - _LONGEST_ABBREVIATION) : end]


def _encodable(text: str) -> str:
    """The text with a mark for each half of a surrogate pair, which UTF-8 has not; as long as it was."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)
