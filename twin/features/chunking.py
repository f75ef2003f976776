"""Cutting a document into passages along its own structure, sized by the embedding model's own tokenizer.

A document is a tree of sections under headings; a section is a run of blocks (paragraph, list, code, table, quote).
Blocks are packed into passages of even size. Only a block that does not fit by itself is cut, at the largest
boundary inside it that does (list items, lines, sentences, words, characters). Sections too small to stand alone join
a neighbour under the same heading. No text is lost: a heading is in `heading_path` of the passages below it, and in
the text itself when the passage spans several sections or the path could not carry it whole.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from twin.records import Chunk, chunk_id
from twin.text.links import without_targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from markdown_it import MarkdownIt

    from twin.features.embedding import Embedder
    from twin.records import CleanedDocument

__all__ = ["MIN_TOKENS", "VERSION", "split"]

VERSION = "4"
"""Changes when the same document would be cut differently."""

MIN_TOKENS = 40
"""A smaller passage joins a neighbour where there is one."""
CONTEXT_SHARE = 3 / 8
"""Title and headings take at most this share of the model's input."""
CONTEXT_PART_TOKENS = 32
"""A longer title or heading is shortened in the context."""

PARAGRAPHS = re.compile(r"(?<=\n)(?=[ \t]*\n)")
ITEMS = re.compile(r"(?<=\n)(?=[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t])")
SENTENCES = re.compile(r"(?<=[.!?…。！？])(?=\s)|(?<=[.!?…][\"”’')\]*_])(?=\s)|(?<=[。！？])")
LINES = re.compile(r"(?<=\n)")
WORDS = re.compile(r"(?<=\s)(?=\S)")
LINE_BLOCK = re.compile(r"\s*(?:```|~~~|\|)|(?:\t| {4})")


class Heading(NamedTuple):
    level: int
    text: str
    source: str
    """The heading's own lines of markdown."""


class Section(NamedTuple):
    """The text directly under one heading, or before the first one."""

    headings: tuple[Heading, ...]
    """Outermost first; the last one is the section's own."""
    blocks: list[str]
    """Source of its paragraphs, lists, code blocks and so on, in order."""
    is_leaf: bool
    """Whether no section follows under its heading."""


class Piece(NamedTuple):
    """A passage in the making."""

    path: tuple[str, ...]
    """Its headings, as they will be shown above it."""
    leads: tuple[str, ...]
    """The markdown of those headings, for when one leaves the path and enters the text."""
    text: str


def split(document: CleanedDocument, embedder: Embedder) -> list[Chunk]:
    """The passages of a document, in order.

    Every passage satisfies `embedder.count_tokens(chunk.embedding_text) <= embedder.max_tokens`, and together they hold
    all of the document's text. A document without text has none. Ids follow from document, revision and position.
    """
    sizes = _Sizes(embedder, document.title.strip())
    sizes.count(document.content)  # shows the tokenizer all new words at once, not a few with each part
    pieces = [piece for section in _sections(document.content) for piece in _pack(section, sizes)]
    fitting = [part for piece in _join_small(pieces, sizes) for part in _cut_to_fit(piece, sizes)]
    return [_chunk(document, ordinal, piece, sizes) for ordinal, piece in enumerate(fitting)]


class _Sizes:
    """Token counts, and what fits, for passages of a document under one title.

    Counts leave special tokens out, so that those of the parts add up to that of the whole; and where links lead, which
    is not embedded.
    """

    def __init__(self, embedder: Embedder, title: str) -> None:
        self._embedder = embedder
        self._specials = embedder.count_tokens("")
        self._known: dict[str, int] = {}
        self.limit = embedder.max_tokens - self._specials
        self.context_limit = int(self.limit * CONTEXT_SHARE)
        self._part_limit = min(CONTEXT_PART_TOKENS, self.context_limit // 2)
        self.title = self._shorten(title, self._part_limit)

    def count(self, text: str) -> int:
        return self._whole(text) - self._specials

    def room(self, path: tuple[str, ...]) -> int:
        """Tokens left for the text under a title and headings."""
        return self.limit - self._context(path)

    def model_input(self, path: tuple[str, ...], text: str) -> int:
        """Tokens of the whole input, special tokens included."""
        context = _context(self.title, path)
        return self._whole(f"{context}\n\n{text}" if context else text)

    def fits(self, path: tuple[str, ...], text: str) -> bool:
        return self.model_input(path, text) <= self._embedder.max_tokens

    def path(self, headings: Iterable[Heading]) -> tuple[str, ...]:
        """The headings' texts, shortened where they would leave too little room for the passage."""
        texts = [heading.text for heading in headings]
        shown = tuple(self._shorten(text, self._part_limit) for text in texts)
        if self._context(shown) <= self.context_limit:
            return shown
        share = (self.context_limit - self.count(self.title)) // len(texts) - 1  # one token separates two headings
        return tuple(self._shorten(text, max(share, 1)) for text in texts)

    def _context(self, path: tuple[str, ...]) -> int:
        return self.count(_context(self.title, path))

    def _whole(self, text: str) -> int:
        if text not in self._known:
            self._known[text] = self._embedder.count_tokens(without_targets(text))
        return self._known[text]

    def _shorten(self, text: str, tokens: int) -> str:
        """The text, or as many of its first characters as leave room for an ellipsis."""
        if self.count(text) <= tokens:
            return text
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.count(f"{text[:middle]}…") <= tokens else (low, middle - 1)
        return f"{text[:low].rstrip()}…"


def _context(title: str, path: Sequence[str]) -> str:
    return " > ".join(dict.fromkeys([title, *path]))


def _sections(content: str) -> list[Section]:
    """The document's sections in order. Their headings and blocks together are all of its lines."""
    sections = [Section((), [], is_leaf=True)]
    for block in _blocks(content):
        if isinstance(block, str):
            sections[-1].blocks.append(block)
            continue
        above = tuple(heading for heading in sections[-1].headings if heading.level < block.level)
        sections.append(Section((*above, block), [], is_leaf=True))
    following = [*(len(after.headings) > len(before.headings) for before, after in pairwise(sections)), False]
    return [section._replace(is_leaf=not deeper) for section, deeper in zip(sections, following, strict=True)]


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    """Markdown's block structure alone: what is inside a block does not matter here."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("table").disable(["inline"])


def _blocks(content: str) -> Iterator[Heading | str]:
    """Headings, and the source of every other top-level block with the lines up to the next one."""
    lines = re.split(r"(?<=\n)", re.sub(r"\r\n?", "\n", content))
    tokens = _parser().parse("".join(lines))
    opening = [(index, *token.map) for index, token in enumerate(tokens) if token.level == 0 and token.map]
    starts = [0, *(before for _, before, _ in opening[1:]), len(lines)]
    for (index, before, after), start, end in zip(opening, starts, starts[1:], strict=False):
        token = tokens[index]
        text = " ".join(tokens[index + 1].content.split()) if token.type == "heading_open" else ""
        if text:
            yield from _unless_blank(lines[start:before])
            yield Heading(int(token.tag[1:]), text, "".join(lines[before:after]).strip("\n"))
            start = after
        yield from _unless_blank(lines[start:end])
    if not opening:
        yield from _unless_blank(lines)


def _unless_blank(lines: Sequence[str]) -> Iterator[str]:
    block = "".join(lines)
    if block.strip():
        yield block


def _pack(section: Section, sizes: _Sizes) -> Iterator[Piece]:
    """The section's blocks in as few passages as hold them, of about even size."""
    path = sizes.path(section.headings)
    leads = tuple(heading.source for heading in section.headings)
    blocks = section.blocks
    if section.headings:
        own = section.headings[-1]
        if not blocks and section.is_leaf:
            yield Piece(path[:-1], leads[:-1], own.source)
            return
        if path[-1] != own.text:
            blocks = [f"{own.source}\n\n", *blocks]
    room = sizes.room(path)
    units = [unit for block in blocks for unit in _cut(block, sizes, room, _boundaries(block))]
    for text in _evenly(units, sizes, room):
        yield Piece(path, leads, text)


def _evenly(units: Sequence[str], sizes: _Sizes, room: int) -> Iterator[str]:
    """The units joined, in order, into as few texts as hold them, none above `room` unless one unit alone is."""
    counts = [sizes.count(unit) for unit in units]
    even = sum(counts) / math.ceil(sum(counts) / room) if any(counts) else 0
    text, used = "", 0
    for unit, count in zip(units, counts, strict=True):
        if text and (used + count > room or used >= even > 0):
            yield text
            text, used = "", 0
        text, used = text + unit, used + count
    if text:
        yield text


def _boundaries(block: str) -> Sequence[re.Pattern[str]]:
    """Where a block may be cut, best first. In code and tables a line is a unit; elsewhere a sentence is."""
    return (LINES, WORDS) if LINE_BLOCK.match(block) else (PARAGRAPHS, ITEMS, SENTENCES, LINES, WORDS)


def _cut(text: str, sizes: _Sizes, room: int, boundaries: Sequence[re.Pattern[str]]) -> Iterator[str]:
    """The text whole if it fits, else its parts at the best boundary, cut further where they do not fit either."""
    if sizes.count(text) <= room:
        yield text
        return
    for depth, boundary in enumerate(boundaries, start=1):
        parts = boundary.split(text)
        if len(parts) > 1:
            for part in parts:
                yield from _cut(part, sizes, room, boundaries[depth:])
            return
    yield from _slices(text, sizes, room)


def _slices(word: str, sizes: _Sizes, room: int) -> Iterator[str]:
    """A text without any boundary, such as encoded data, in parts that fit."""
    start = 0
    while start < len(word):
        length = 2 * room
        while length > 1 and sizes.count(word[start : start + length]) > room:
            length = length * 3 // 4
        yield word[start : start + length]
        start += length


def _join_small(pieces: Iterable[Piece], sizes: _Sizes) -> list[Piece]:
    """The pieces, those below MIN_TOKENS joined with the one before or after them under the same heading."""
    joined: list[Piece] = []
    counts: list[int] = []
    for piece in pieces:
        count = sizes.count(piece.text)
        both = _together(joined[-1], piece) if joined and min(count, counts[-1]) < MIN_TOKENS else None
        if both is not None and (total := sizes.count(both.text)) <= sizes.room(both.path):
            joined[-1], counts[-1] = both, total
        else:
            joined.append(piece)
            counts.append(count)
    return joined


def _together(first: Piece, second: Piece) -> Piece | None:
    """Two pieces as one, if they are under the same heading, are siblings, or one is directly above the other."""
    depth = 0
    while depth < min(len(first.leads), len(second.leads)) and first.leads[depth] == second.leads[depth]:
        depth += 1
    if max(len(first.leads), len(second.leads)) - depth > 1:
        return None
    parts = [*first.leads[depth:], first.text.strip("\n"), *second.leads[depth:], second.text.strip("\n")]
    return Piece(first.path[:depth], first.leads[:depth], "\n\n".join(parts))


def _cut_to_fit(piece: Piece, sizes: _Sizes) -> Iterator[Piece]:
    """The piece, cut again if its tokens as a whole are more than those of its parts were; nothing for blank text."""
    text = re.sub(r"\A(?:[^\S\n]*\n)+", "", piece.text).rstrip()
    if not text.strip():
        return
    if sizes.fits(piece.path, text):
        yield piece._replace(text=text)
        return
    room = max(1, min(sizes.room(piece.path), sizes.count(text) - 1) * 3 // 4)
    for part in _evenly([*_cut(text, sizes, room, _boundaries(text))], sizes, room):
        yield from _cut_to_fit(piece._replace(text=part), sizes)


def _chunk(document: CleanedDocument, ordinal: int, piece: Piece, sizes: _Sizes) -> Chunk:
    return Chunk(
        id=chunk_id(document.id, document.revision, ordinal),
        document_id=document.id,
        revision=document.revision,
        ordinal=ordinal,
        text=piece.text,
        heading_path=list(piece.path),
        token_count=sizes.model_input(piece.path, piece.text),
        title=sizes.title,
        url=document.url,
        author=document.author,
        kind=document.kind,
        platform=document.platform,
        published_at=document.published_at,
        language=document.language,
    )
