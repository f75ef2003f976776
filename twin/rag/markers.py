"""Taking the citation marks out of what a model writes: `[2]` from a small model is decoration, not a source."""

from __future__ import annotations

import re

__all__ = ["MarkerFilter"]

# The space before a mark goes with it. Directly after a letter or digit it is no mark: `items[0]` is code.
_MARKER = re.compile(r" \[\d{1,3}\]|(?<!\w)\[\d{1,3}\]")
_UNDECIDED = re.compile(r" ?(?:\[\d{0,3})?\Z")


class MarkerFilter:
    """Removes marks from a text that arrives in pieces, wherever the pieces are cut."""

    def __init__(self) -> None:
        self._before = ""
        """The last character that was decided: whether a bracket is a mark depends on it."""
        self._held = ""
        """The end of what came, which may be the beginning of a mark."""
        self._started = False

    def feed(self, piece: str) -> str:
        """What can be given out after `piece` came. White space before the first word never is."""
        text = self._held + piece
        undecided = _UNDECIDED.search(text)
        end = undecided.start() if undecided else len(text)
        self._held = text[end:]
        return self._decide(text[:end])

    def flush(self) -> str:
        """The rest, when no more comes."""
        rest, self._held = self._held, ""
        return self._decide(rest)

    def _decide(self, text: str) -> str:
        given = _MARKER.sub("", self._before + text)[len(self._before) :]
        self._before = text[-1:] or self._before
        given = given if self._started else given.lstrip()
        self._started = self._started or bool(given)
        return given
