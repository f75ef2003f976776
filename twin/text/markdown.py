"""Which lines of a markdown text are code and which are prose."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["code_lines", "map_prose", "sections"]

FENCE = re.compile(r" {0,3}(?P<fence>`{3,}|~{3,})(?P<info>.*)")


def code_lines(lines: list[str]) -> list[bool]:
    """For each line, whether it belongs to a fenced code block, its fences included.

    As in CommonMark: a block ends at a fence of the same character, at least as long, or at the end of the text.
    """
    inside = [False] * len(lines)
    opened, start = "", 0
    # Most lines cannot be a fence; the check is cheaper than the pattern
    for number in [number for number, line in enumerate(lines) if "```" in line or "~~~" in line]:
        found = FENCE.match(lines[number])
        if not found:
            continue
        if not opened:
            if not (found["fence"][0] == "`" and "`" in found["info"]):
                opened, start = found["fence"], number
        elif found["fence"].startswith(opened) and not found["info"].strip():
            inside[start : number + 1] = [True] * (number + 1 - start)
            opened = ""
    if opened:
        inside[start:] = [True] * (len(lines) - start)
    return inside


def sections(text: str) -> Iterator[tuple[bool, list[str]]]:
    """The text's lines in runs, each with whether it is fenced code."""
    lines = text.split("\n")
    start = 0
    for is_code, run in groupby(code_lines(lines)):
        end = start + sum(1 for _ in run)
        yield is_code, lines[start:end]
        start = end


def map_prose(text: str, change: Callable[[str], str]) -> str:
    """The text with `change` applied to each run of prose lines; fenced code as it was."""
    if "```" not in text and "~~~" not in text:
        return change(text)
    return "\n".join("\n".join(run) if is_code else change("\n".join(run)) for is_code, run in sections(text))
