"""Keeping a small model out of loops, without forbidding it to quote its prompt.

A token that the answer already has becomes less likely (Keskar et al., "CTRL", 2019). Only generated tokens count, and
of those the latest: with passages in the prompt, a penalty that counts them too punishes the quoting that is wanted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Stretch", "stretches"]

FIRST_TOKENS = 8
"""So few tokens hold no loop yet; they are generated without a penalty."""


class Stretch(NamedTuple):
    """A part of an answer that one call of llama.cpp generates."""

    tokens: int
    """At most so many."""
    counted: int
    """Over so many of the latest tokens the penalty counts; all of them are generated ones."""


def stretches(max_tokens: int, window: int) -> Iterator[Stretch]:
    """Cuts an answer of `max_tokens` so that a penalty over the last `counted` tokens never reaches the prompt.

    Each stretch is as long as what came before it, so there are few; with a `window` of 0 there is one.
    """
    done, left = 0, max_tokens
    while left > 0:
        counted = min(done, window)
        size = left if counted == window else min(left, max(done, FIRST_TOKENS), max(window - done, FIRST_TOKENS))
        yield Stretch(size, counted)
        done, left = done + size, left - size
