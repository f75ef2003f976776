"""Finding what closes a piece, in time that does not grow with the number of pieces that nothing closes."""

from __future__ import annotations

import re
from functools import cached_property

__all__ = ["Finder"]

LINE_END = re.compile(r"[ \t]*\r?(?:\n|\Z)")
BLANK_LINE = re.compile(r"\n[ \t>]*\r?(?:\n|\Z)")


class Finder:
    """Searches in one text that go from left to right. What was found or missed once is not looked for again."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._next: dict[re.Pattern[str] | str, tuple[int, int] | None] = {}

    def after(self, closing: str, position: int, within: int | None = None) -> int | None:
        """Where the next `closing` ends, which is text in any case; None when it is not there or not `within`."""
        found = self._span(closing, position)
        return found[1] if found and (within is None or found[1] <= within) else None

    def match_end(self, pattern: re.Pattern[str], position: int) -> int | None:
        """Where the next match of a pattern ends."""
        found = self._span(pattern, position)
        return found[1] if found else None

    def paragraph_end(self, position: int) -> int:
        """The start of the next blank line, or the end of the text."""
        found = self._span(BLANK_LINE, position)
        return found[0] if found else len(self._text)

    def ends_line(self, position: int) -> bool:
        """Whether only blanks follow in the line."""
        return LINE_END.match(self._text, position) is not None

    def closing_shortcode(self, name: str, position: int) -> tuple[int, int] | None:
        """Where `{{< /name >}}` is."""
        return self._span(re.compile(rf"\{{\{{[<%]\s*/\s*{re.escape(name)}\s*[>%]\}}\}}"), position)

    def closing_tag(self, name: str, position: int) -> tuple[int, int] | None:
        """Where `{% name %}` is."""
        return self._span(re.compile(rf"\{{%[-+]?\s*{name}\s*[-+]?%\}}"), position)

    def brace_end(self, position: int) -> int | None:
        """The end of the braces that open at a place; None when nothing closes them."""
        close = self._braces.get(position)
        return close + 1 if close is not None else None

    def _span(self, wanted: re.Pattern[str] | str, position: int) -> tuple[int, int] | None:
        """Where the next match of a pattern, or the next of some characters in any case, is."""
        known = self._next.get(wanted, (-1, -1))
        if known is None or known[0] >= position:
            return known
        pattern = re.compile(re.escape(wanted), re.IGNORECASE) if isinstance(wanted, str) else wanted
        found = pattern.search(self._text, position)
        self._next[wanted] = found.span() if found else None
        return self._next[wanted]

    @cached_property
    def _braces(self) -> dict[int, int]:
        """Where each brace that opens is closed."""
        pairs: dict[int, int] = {}
        open_: list[int] = []
        for brace in re.finditer(r"[{}]", self._text):
            if brace[0] == "{":
                open_.append(brace.start())
            elif open_:
                pairs[open_.pop()] = brace.start()
        return pairs
