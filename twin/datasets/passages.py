"""Which passages may stand as answers, and which of them are taken."""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import chain, islice, zip_longest
from typing import TYPE_CHECKING, TypeVar

from twin.datasets.voice import own_words, said_by_others
from twin.records import content_hash
from twin.text.links import without_links
from twin.text.segmentation import SENTENCE_MARKS
from twin.text.words import normalise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from twin.records import Chunk

__all__ = ["MAX_WORDS", "MIN_WORDS", "answer_of", "choose", "distinct", "is_answer"]

MIN_WORDS, MAX_WORDS = 40, 200
MIN_PROSE_SHARE = 0.7
"""Of a passage's characters; the rest may be code, lists, tables, headings, links and what others said."""
MIN_LETTER_SHARE = 0.7
MAX_SYMBOL_SHARE = 0.03
"""Of the prose's characters: more brackets and operators than that are code that has lost its fence."""
MIN_SENTENCES = 2

_FENCED_CODE = re.compile(r"^(```|~~~).*?(^\1|\Z)", re.MULTILINE | re.DOTALL)
_UNLIKE_PROSE = re.compile(
    r"^(?:\s*(?:\\?[-*+•▪◦↳→▶✅❌🔸🔹🔽]|\d+[.)]|\||#{1,6}|[$>%]|>>>)(?:\s|\|).*|(?:\t| {4,})\S.*)$", re.MULTILINE
)
_INLINE_CODE = re.compile(r"(`+)[^`\n]+\1")
_SYMBOLS = frozenset("{}[]()=<>|\\;_@$^~")
_SENTENCE_END = re.compile(rf"[{SENTENCE_MARKS}。！？][\"'”’)\]]*(?=\s|$)")

T = TypeVar("T")


def answer_of(text: str) -> str | None:
    """The author's own words in a passage, when they read as an answer; None otherwise."""
    own = own_words(text)
    return own if is_answer(own) else None


def is_answer(text: str) -> bool:
    """Whether a passage reads as an answer: whole sentences of prose, 40 to 200 words, not code, lists or links."""
    if not MIN_WORDS <= len(text.split()) <= MAX_WORDS:
        return False
    prose = _prose(text)
    characters = sum(not character.isspace() for character in prose)
    letters = sum(character.isalpha() for character in prose)
    symbols = sum(character in _SYMBOLS for character in _INLINE_CODE.sub(" ", prose))
    return (
        characters >= MIN_PROSE_SHARE * sum(not character.isspace() for character in text)
        and letters >= MIN_LETTER_SHARE * characters
        and symbols <= MAX_SYMBOL_SHARE * characters
        and len(_SENTENCE_END.findall(prose)) >= MIN_SENTENCES
    )


def distinct(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """The chunks without those that repeat an earlier one's words."""
    seen: set[str] = set()
    for chunk in chunks:
        text = normalise(chunk.text)
        if text not in seen:
            seen.add(text)
            yield chunk


def choose(chunks: Iterable[Chunk], cap: int, seed: int) -> list[Chunk]:
    """At most `cap` of the chunks: in turn from every author, and for an author in turn from every document.

    Which of a document's chunks come first depends on `seed` and on nothing else, so the choice from one document
    changes with another document only as far as the cap makes them compete.
    """
    authors: defaultdict[str, defaultdict[str, list[Chunk]]] = defaultdict(lambda: defaultdict(list))
    for chunk in sorted(chunks, key=lambda chunk: content_hash(str(seed), chunk.id)):
        authors[chunk.author][chunk.document_id].append(chunk)
    queues = (_in_turn(documents.values()) for _, documents in sorted(authors.items()))
    return list(islice(_in_turn(queues), cap))


def _prose(text: str) -> str:
    """The text without code blocks, list items, table rows, program output, headings, links and long quotations."""
    return without_links(said_by_others(_UNLIKE_PROSE.sub(" ", _FENCED_CODE.sub(" ", text))))


def _in_turn(queues: Iterable[Iterable[T]]) -> Iterator[T]:
    """The first of every queue, then the second of every queue, and so on."""
    rounds = zip_longest(*queues, fillvalue=None)
    return (item for item in chain.from_iterable(rounds) if item is not None)
