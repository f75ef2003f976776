"""Lines on pages to markdown: headings by the size of letters, paragraphs by gaps, no repeated page frames."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Line", "to_markdown"]

FRAME_LINES = 2
"""At the top and at the bottom of a page, where page numbers and running titles are."""
FRAME_SHARE = 0.5
FRAME_PAGES = 3
HEADING_RATIO = 1.12
MAX_HEADING_CHARS = 200
MAX_HEADING_SIZES = 4
PARAGRAPH_GAP = 1.4
"""A gap between lines of this many times the usual one starts a paragraph."""
SHORT_LINE = 0.85
"""A line that ends this far before the widest of its page may end a paragraph."""
BULLET = re.compile(r"^(?:[\u2022\u25cf\u25e6\u25aa\u2023\u2013\u00b7*-]\s+)(?=\S)")
NUMBERED = re.compile(r"^\(?\d{1,3}[.)]\s+\S")
LEADER = re.compile(r"(?:\.[ \u00a0]?){6,}\s*[\divxlc]*$")
"""The dots of a table of contents."""
CUT_WORD = re.compile(r"(?:\xad|[^\W\d_]-)$")
SENTENCE_END = re.compile(r"[.!?:\u2026][\"'\u201d\u2019)\]]*$")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A line of text on a page. Points, the page's origin at its lower left corner."""

    text: str
    """A soft hyphen at its end is one that the line break made."""
    size: float
    top: float
    bottom: float
    left: float
    right: float


def to_markdown(pages: Sequence[list[Line]]) -> str:
    """The pages as one text."""
    pages = _without_frames(pages)
    sizes = Counter[float]()
    for line in (line for page in pages for line in page):
        sizes[line.size] += len(line.text)
    if not sizes:
        return ""
    body = sizes.most_common(1)[0][0]
    levels = _heading_levels(sizes, body)
    blocks: list[str] = []
    for level, text in _joined_over_pages(part for page in pages for part in _blocks(page, levels)):
        blocks.append(f"{'#' * level} {_whole(text)}" if level else _whole(text))
    return "\n\n".join(blocks)


def _without_frames(pages: Sequence[list[Line]]) -> list[list[Line]]:
    """The pages without lines that stand at the edge of most of them, numbers aside."""
    frames = Counter(frame for page in pages for frame in {_frame(line) for line in _edges(page)})
    least = max(FRAME_PAGES, FRAME_SHARE * len(pages))
    repeated = {frame for frame, count in frames.items() if count >= least}
    # Running titles of books alternate, and chapters' change: those come on fewer pages and stay
    return [_shorn(page, repeated) for page in pages]


def _edges(page: list[Line]) -> list[Line]:
    ordered = sorted(page, key=lambda line: -line.top)
    return ordered[:FRAME_LINES] + ordered[-FRAME_LINES:]


def _shorn(page: list[Line], repeated: set[str]) -> list[Line]:
    edges = {id(line) for line in _edges(page)}
    return [
        line for line in page if not LEADER.search(line.text) and not (id(line) in edges and _frame(line) in repeated)
    ]


def _frame(line: Line) -> str:
    return re.sub(r"\d+", "#", " ".join(line.text.split()).lower())


def _heading_levels(sizes: Counter[float], body: float) -> dict[float, int]:
    """The largest size is level 1; sizes that are hardly larger than the body's are none."""
    larger = sorted((size for size in sizes if size >= body * HEADING_RATIO), reverse=True)
    return {size: min(level, MAX_HEADING_SIZES) for level, size in enumerate(larger, 1)}


def _blocks(page: list[Line], levels: dict[float, int]) -> Iterator[tuple[int, str]]:
    """Headings (with their level) and paragraphs (level 0) of one page."""
    gaps = [above.bottom - below.top for above, below in pairwise(page) if above.size == below.size]
    usual = median(gaps) if gaps else 0.0
    widest = max((line.right for line in page), default=0.0)
    current: list[Line] = []
    for line in page:
        if current and _starts_block(current[-1], line, usual, widest):
            yield _block(current, levels)
            current = []
        current.append(line)
    if current:
        yield _block(current, levels)


def _starts_block(above: Line, line: Line, usual_gap: float, widest: float) -> bool:
    if line.size != above.size or BULLET.match(line.text) or NUMBERED.match(line.text):
        return True
    pitch = above.top - line.top
    if pitch <= 0:  # the top of the next column
        return bool(SENTENCE_END.search(above.text))
    if above.bottom - line.top > usual_gap + (PARAGRAPH_GAP - 1) * line.size:
        return True
    return above.right < widest * SHORT_LINE and bool(SENTENCE_END.search(above.text)) and line.text[:1].isupper()


def _block(lines: list[Line], levels: dict[float, int]) -> tuple[int, str]:
    text = _joined(line.text for line in lines)
    level = levels.get(lines[0].size, 0)
    if level and (len(text) > MAX_HEADING_CHARS or not any(letter.isalpha() for letter in text)):
        level = 0
    return level, text if level else BULLET.sub("- ", text)


def _joined_over_pages(blocks: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """The blocks, with a paragraph that runs on over a page break in one piece."""
    waiting: tuple[int, str] | None = None
    for level, text in blocks:
        if waiting and not waiting[0] and not level and _runs_on(waiting[1], text):
            waiting = (0, _joined([waiting[1], text]))
            continue
        if waiting:
            yield waiting
        waiting = (level, text)
    if waiting:
        yield waiting


def _runs_on(text: str, following: str) -> bool:
    return not SENTENCE_END.search(text) and following[:1].islower()


def _joined(texts: Iterable[str]) -> str:
    """Lines in one, with words that a line break cut put together again.

    A hyphen at the end of a line goes when what follows is lower-case; one in a word that has others stays.
    """
    result = ""
    for text in texts:
        word = result.rsplit(None, 1)[-1] if result else ""
        if CUT_WORD.search(word) and text[:1].islower():
            result = (f"{result[:-1]}-" if "-" in word[:-1] else result[:-1]) + text
        else:
            result = f"{_whole(result)} {text}" if result else text
    return result


def _whole(text: str) -> str:
    """The text with hyphens for those that only a line break could have made."""
    return f"{text[:-1]}-" if text.endswith("\xad") else text
