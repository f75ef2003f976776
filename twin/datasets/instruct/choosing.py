"""Which of several instructions a passage gets."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from twin.datasets.instruct import requests
from twin.datasets.instruct.search import LEADS_BACK
from twin.records import content_hash
from twin.text.segmentation import sentences
from twin.text.words import normalise, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from twin.datasets.instruct.keywords import Keywords
    from twin.records import Chunk

__all__ = ["MAX_SHARE", "Candidate", "Chooser", "Chosen", "beginning", "candidates", "method_of", "split_off"]

METHODS = ("heading", "keywords", "written")
CONTINUATIONS = 12
"""One passage in so many is split: its beginning is given, and the rest of it is the answer."""
MAX_SHARE = 0.15
"""At most this share of a split's samples begins with the same four words."""
BEGINNING_WORDS = 4
OPENING_WORDS, LEFT_WORDS = 40, 40
"""The longest beginning that is given, and the shortest rest that is still an answer, in words."""
LEADS_STRAIGHT_BACK = 2
"""Of a written instruction more is asked: the model may have missed the sense where the words only nearly fit."""


class Candidate(NamedTuple):
    """An instruction that a passage may get."""

    method: str
    text: str


class Chosen(NamedTuple):
    """The instruction that a passage got, its rank, and how many were looked at."""

    candidate: Candidate
    rank: int
    looked_at: int


class Chooser:
    """Takes for each passage of a split the first candidate that leads back, is new, and begins unlike too many others.

    `expected` is how many passages the split will have, and `others` chooses for a split that asks nothing of this one.
    """

    def __init__(self, rank: Callable[[str, Chunk], int | None], expected: int, others: Chooser | None = None) -> None:
        self._rank = rank
        self._most = max(1, int(MAX_SHARE * expected))
        self._asked: set[str] = set()
        self._asked_elsewhere = others._asked if others else set()
        self._beginnings: Counter[str] = Counter()

    def choose(self, chunk: Chunk, offered: Iterator[Candidate]) -> Chosen | None:
        """The instruction, or None where no candidate will do. What is chosen counts against the next ones."""
        for looked_at, candidate in enumerate(offered, 1):
            asked = normalise(candidate.text)
            if asked in self._asked | self._asked_elsewhere or self._is_common(candidate.text):
                continue
            rank = self._rank(candidate.text, chunk)
            if rank is not None and rank <= LEADS_BACK:
                self._asked.add(asked)
                self._beginnings[beginning(candidate.text)] += 1
                return Chosen(candidate, rank, looked_at)
        return None

    def _is_common(self, instruction: str) -> bool:
        return self._beginnings[beginning(instruction)] >= self._most


def method_of(chunk: Chunk, answer: str, *, is_test: bool) -> str:
    """How the instruction of a passage is to come about: it follows from the passage, so others do not change it.

    Nothing is held out as a continuation: a model is judged by answers to questions.
    """
    place = int(content_hash("method", chunk.id)[:8], 16)
    if place % CONTINUATIONS == 0 and not is_test and split_off(answer):
        return "continuation"
    return METHODS[place // CONTINUATIONS % len(METHODS)]


def candidates(
    chunk: Chunk, method: str, keywords: Keywords, *, answer: str, written: Sequence[str]
) -> Iterator[Candidate]:
    """What a passage may be asked, the wanted method first and what falls back on more words behind it."""
    named = " ".join([chunk.title, *chunk.heading_path])
    terms = keywords.of(chunk, 4, without=named)
    other = [terms[index] for index in (0, 2, 1, 3) if index < len(terms)]
    parts = split_off(answer) if method == "continuation" else None
    if parts:
        yield from (Candidate("continuation", text) for text in requests.continuing(chunk, parts[0], 3))
    yield from (Candidate("written", text) for text in written)
    if method == "heading" or parts:
        yield from (Candidate("heading", text) for text in requests.about_heading(chunk, 3))
    yield from (Candidate("keywords", text) for text in requests.with_keywords(chunk, terms, 3))
    yield from (Candidate("keywords", text) for text in requests.with_keywords(chunk, other, 2))
    yield from (Candidate("last resort", text) for text in requests.last_resorts(chunk, terms, 8))


def split_off(answer: str) -> tuple[str, str] | None:
    """The first sentence of an answer and the rest, where the one is short and the other still an answer."""
    found = sentences(answer)
    opening, rest = found[0].strip(), "".join(found[1:]).strip()
    fits = 6 <= len(opening.split()) <= OPENING_WORDS and len(rest.split()) >= LEFT_WORDS
    return (opening, rest) if fits and '"' not in opening and opening[-1:] in ".!?" else None


def beginning(instruction: str) -> str:
    """Its first four words."""
    return " ".join(words(instruction)[:BEGINNING_WORDS])
