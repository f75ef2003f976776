"""Where a markdown text is code."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twin.collection.withheld.finding import Finder

__all__ = ["Code"]

MAX_PREFIX = 200
CONTAINERS = re.compile(r"[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+[ \t>]*)*")
"""What stands before a block in a quote or a list."""
NOT_QUOTED = re.compile(r"^(?![ \t]*>)", re.MULTILINE)
LIST_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])(?:[ \t]|$)")
INDENTED = re.compile(r" {4}| {0,3}\t")


class Code:
    """The code in one text. Asked from left to right."""

    def __init__(self, text: str, find: Finder, *, indented: bool) -> None:
        self._text = text
        self._find = find
        self._has_indented = indented

    def fence(self, start: int, end: int) -> tuple[int, int, str] | None:
        """The fenced block that opens with the marks at `start`, as its beginning, its end and what its first line
        says; None when they open none. A block ends at its closing marks, with its quote, or with the text."""
        text = self._text
        line = text.rfind("\n", max(0, start - MAX_PREFIX), start) + 1
        if line == 0 and start > MAX_PREFIX:
            return None
        prefix = text[line:start]
        if not CONTAINERS.fullmatch(prefix):
            return None
        line_end = text.find("\n", end)
        line_end = len(text) if line_end < 0 else line_end
        info = text[end:line_end]
        if text[start] == "`" and "`" in info:
            return None
        closing = re.compile(rf"^[ \t>]*{re.escape(text[start])}{{{end - start},}}[ \t]*\r?$", re.MULTILINE)
        limit = len(text)
        if ">" in prefix and (outside := NOT_QUOTED.search(text, min(line_end + 1, len(text)))):
            limit = max(outside.start(), line_end)
        found = closing.search(text, line_end, limit)
        return line, found.end() if found else limit, info

    def inline_end(self, start: int, end: int) -> int | None:
        """Where the code ends that opens with the backticks at `start`; None when they open none."""
        close = self._closing.get(start)
        if close is None or close > self._find.paragraph_end(start):
            return None
        return close + end - start

    def is_indented(self, position: int) -> bool:
        """Whether a place is in code that is marked by its indentation."""
        if not self._has_indented:
            return False
        starts, ends = self._indented
        number = bisect_right(starts, position) - 1
        return number >= 0 and position < ends[number]

    @cached_property
    def _closing(self) -> dict[int, int]:
        """For each run of backticks, where the next run of its length is."""
        closing: dict[int, int] = {}
        last: dict[int, int] = {}
        for run in reversed(list(re.finditer("`+", self._text))):
            length = run.end() - run.start()
            if length in last:
                closing[run.start()] = last[length]
            last[length] = run.start()
        return closing

    @cached_property
    def _indented(self) -> tuple[list[int], list[int]]:
        """The starts and ends of indented lines that follow a blank line, or one another, and are in no list."""
        starts, ends = [], []
        position, in_list, follows = 0, False, True
        for line in self._text.split("\n"):
            blank = not line.strip()
            if not blank:
                indented = INDENTED.match(line) is not None
                if follows and indented and not in_list:
                    starts.append(position)
                    ends.append(position + len(line))
                else:
                    if LIST_ITEM.match(line):
                        in_list = True
                    elif follows and not indented and not line.startswith((" ", "\t")):
                        in_list = False
                    follows = False
            else:
                follows = True
            position += len(line) + 1
        return starts, ends
