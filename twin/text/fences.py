"""Fenced code in markdown."""

from __future__ import annotations

import re

__all__ = ["fenced"]

MANY_BACKTICKS = 20


def fenced(code: str, language: str) -> str:
    """A fenced markdown code block, with a fence that nothing in the code closes."""
    mark = "~" if code.count("`" * MANY_BACKTICKS) else "`"
    longest = max((len(run) for run in re.findall(mark + "{3,}", code)), default=2)
    fence = mark * (longest + 1)
    return f"{fence}{language}\n{code}\n{fence}"
