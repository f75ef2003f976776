"""Which blocks of a web page are its article.

trafilatura says what text is the article's, and does it well (docs/decisions/extraction.md); how the text stands on the
page, in nested lists, tables, captions and code, comes from the page itself. So each block is kept whose words
trafilatura found, and so are those between such blocks that it passes over for what they are.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from twin.collection.pages import blocks
from twin.collection.pages.inline import LINK
from twin.text.scripts import HAN, HANGUL, KANA, MYANMAR, THAI
from twin.text.shingles import runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from twin.collection.pages.blocks import Block

__all__ = ["select", "without_frames"]

WORDS = re.compile(rf"[{THAI}{MYANMAR}{KANA}{HAN}{HANGUL}]|[^\W_]+")
"""Scripts that write no blanks count by letters."""
SHINGLE = 5
FOUND_SHARE = 0.6
MOSTLY_LINKS = 0.5
PROSE_WORDS = 8
ENOUGH_SHARE = 0.8
"""When so much of a page's prose is found with care, nothing is looked for with less."""
PASSED_OVER = frozenset({"code", "caption", "cell", "heading"})
"""What trafilatura leaves out of the middle of an article at times."""
LEAD_BLOCKS = 12
LEAD_WORDS = 12
SENTENCE_END = re.compile(r"[.!?…。]\W{0,3}$")
GAP = 2
"""Blocks that may stand between two of the article at its ends."""


def select(page: Block, careful: Iterable[str], generous: Callable[[], Iterable[str]]) -> None:
    """Marks as kept the blocks of `page` that are its article.

    Args:
        careful: Lines of text that hardly have anything but the article.
        generous: Gives lines that hardly miss any of it. Asked when the careful ones leave much prose out; believed for
            what is within the article or next to it.
    """
    leaves = blocks.leaves(page)
    words = [_words(leaf.text) for leaf in leaves]
    told = _Told(careful)
    sure = [told.has(one) for one in words]
    _believe_frames(leaves, words, sure)
    possible = sure
    if not _is_enough(leaves, words, sure):
        wider = _Told(generous())
        possible = [wider.has(one) for one in words]
        if not any(sure):
            told, sure = wider, possible
    strong = [place for place, leaf in enumerate(leaves) if sure[place] and _is_strong(leaf, words[place])]
    strong = strong or [place for place, is_sure in enumerate(sure) if is_sure]
    first = _reach(strong[0], -1, leaves, words, possible) if strong else len(leaves)
    last = _reach(strong[-1], 1, leaves, words, possible) if strong else -1
    while strong and last + 1 < len(leaves) and _goes_on(leaves[last + 1], sure[last + 1]):
        last += 1
    for place, leaf in enumerate(leaves):
        if not first <= place <= last or (leaf.in_frame and leaf.linked > MOSTLY_LINKS):
            leaf.kept = False
        elif not sure[place]:
            believed = possible[place] or leaf.kind in PASSED_OVER
            beside = len(words[place]) < SHINGLE and any(sure[max(0, place - 1) : place + 2])
            believed = believed or (beside and told.mentions(words[place]))
            leaf.kept = believed and _is_plain(leaf)
    for place in _leads(leaves, words, first):
        leaves[place].kept = True
    _settle(page)


def without_frames(page: Block) -> None:
    """Marks as kept what stands in no frame, where all is the article's."""
    leaves = blocks.leaves(page)
    _believe_frames(leaves, [_words(leaf.text) for leaf in leaves], [True] * len(leaves))
    for leaf in leaves:
        leaf.kept = not leaf.in_frame
    _settle(page)


def _believe_frames(leaves: list[Block], words: list[list[str]], certain: list[bool]) -> None:
    """What holds most of the article is no frame of it, whatever it is called."""
    found = [place for place, is_found in enumerate(certain) if is_found]
    framed = sum(len(words[place]) for place in found if leaves[place].in_frame)
    if framed * 2 > sum(len(words[place]) for place in found):
        for leaf in leaves:
            leaf.in_frame = False


class _Told:
    """The article's words: in shingles, and in lines for what is shorter."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines: set[tuple[str, ...]] = set()
        words: list[str] = []
        for line in lines:
            of_line = _words(line)
            self._lines.add(tuple(of_line))
            words += of_line
        self._words = words
        self._shingles = _shingles(words, SHINGLE)

    def has(self, words: list[str]) -> bool:
        """Whether a block's words are the article's; of a few words, whether they are a line of it."""
        if len(words) < SHINGLE:
            return bool(words) and tuple(words) in self._lines
        shingles = _shingles(words, SHINGLE)
        return len(shingles & self._shingles) >= FOUND_SHARE * len(shingles)

    def mentions(self, words: list[str]) -> bool:
        """Whether a few words are anywhere in it, one after the other."""
        return bool(words) and hash(tuple(words)) in self._grams[len(words)]

    @cached_property
    def _grams(self) -> dict[int, set[int]]:
        return {size: _shingles(self._words, size) for size in range(1, SHINGLE)}


def _goes_on(leaf: Block, is_sure: bool) -> bool:
    """Whether a block right after the end of the article is of it still: short items, code, the caption of a figure."""
    return _is_plain(leaf) and (is_sure or leaf.kind in ("code", "caption"))


def _is_plain(leaf: Block) -> bool:
    return not leaf.in_frame and leaf.linked <= MOSTLY_LINKS


def _is_prose(leaf: Block, words: list[str]) -> bool:
    return _is_plain(leaf) and len(words) >= PROSE_WORDS


def _is_strong(leaf: Block, words: list[str]) -> bool:
    return _is_plain(leaf) and (len(words) >= SHINGLE or leaf.kind == "heading")


def _is_enough(leaves: list[Block], words: list[list[str]], found: list[bool]) -> bool:
    prose = [place for place, leaf in enumerate(leaves) if _is_prose(leaf, words[place])]
    total = sum(len(words[place]) for place in prose)
    return sum(len(words[place]) for place in prose if found[place]) >= ENOUGH_SHARE * total > 0


def _leads(leaves: list[Block], words: list[list[str]], first: int) -> list[int]:
    """The sentences between the title and the beginning of the article: leads, which stand apart on many pages and are
    part of the text all the same."""
    before = range(max(0, first - LEAD_BLOCKS), min(first, len(leaves)))
    titles = [place for place in before if leaves[place].level == 1 and leaves[place].kind == "heading"]
    if not titles or leaves[titles[-1]].in_frame:
        return []
    return [
        place
        for place in before
        if place > titles[-1]
        and leaves[place].kind == "paragraph"
        and _is_plain(leaves[place])
        and len(words[place]) >= LEAD_WORDS
        and SENTENCE_END.search(leaves[place].text)
    ]


def _reach(place: int, step: int, leaves: list[Block], words: list[list[str]], possible: list[bool]) -> int:
    """How far the article goes on from a block of it, before or after."""
    reached, gap = place, 0
    at = place + step
    while 0 <= at < len(leaves) and gap < GAP:
        if possible[at] and _is_prose(leaves[at], words[at]):
            reached, gap = at, 0
        else:
            gap += 1
        at += step
    return reached


def _settle(block: Block) -> None:
    """A table is whole or not there; what is empty goes."""
    for child in block.children:
        _settle(child)
    if block.kind == "table":
        cells = [cell for row in block.children for cell in row.children if cell.text]
        block.kept = sum(cell.kept for cell in cells) * 2 > len(cells)
    elif block.children and block.kind != "row":
        block.kept = any(child.kept for child in block.children)


def _words(text: str) -> list[str]:
    return WORDS.findall(LINK.sub(r"\1", text).lower())


def _shingles(words: list[str], size: int) -> set[int]:
    """Hashes of each run of words, which take a third of the memory that the words would."""
    return set(map(hash, runs(words, size)))
