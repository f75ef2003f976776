"""Headings of markdown."""

from __future__ import annotations

import re

__all__ = ["HEADING", "first_heading"]

HEADING = re.compile(r"#[ \t]+(.{1,400}?)[ \t]*#*[ \t]*$")
FENCE = re.compile(r" {0,3}(```|~~~)")


def first_heading(markdown: str, *, within_lines: int = 200) -> str | None:
    """The first level-one heading of a markdown text, code blocks aside."""
    in_fence = False
    for line in markdown.split("\n", within_lines)[:within_lines]:
        if FENCE.match(line):
            in_fence = not in_fence
        elif not in_fence and (heading := HEADING.match(line)):
            return heading[1]
    return None
