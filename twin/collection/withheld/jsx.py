"""The parts of MDX that are program and not text: modules, elements, expressions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from twin.collection.withheld.finding import Finder

__all__ = ["ESM", "IMPORT", "Tag", "literal", "margin_after", "statement_end", "tag_at"]

IMPORT = (
    r"(?-i:^import[ \t]+(?:[\w$*, \t]{0,200}(?:\{[^{}'\"]{0,2000}\}[ \t]*)?from[ \t]*)?"
    r"(?:'[^'\n]*'|\"[^\"\n]*\")[ \t]*;?[ \t]*\r?$)"
)
ESM = IMPORT + r"|(?-i:^export[ \t]+(?:(?:const|let|var|function|class|async|default)\b|[{*]))"
NAME = re.compile(r"<(?P<slash>/?)(?P<name>[A-Za-z][\w.-]*(?::[\w-]+)?)?(?=[\s/>])")
ATTRIBUTE = re.compile(r"\s*(?:[\w:@.$-]+(?:\s*=\s*(?=[\"'{]))?)?")
LITERAL = re.compile(r"\s*(?:'([^'\\]*)'|\"([^\"\\]*)\"|`([^`\\$]*)`)\s*")
INDENT = re.compile(r"[ \t]*\r?\n(?:[ \t]*\r?\n)*([ \t]*)\S")


class Tag(NamedTuple):
    """An element's opening or closing tag."""

    end: int
    is_component: bool
    """Whether it is a program's, not HTML's."""
    opens: bool
    closes: bool


def tag_at(text: str, start: int, find: Finder) -> Tag | None:
    """The tag that starts at a place; None when there is none."""
    if text.startswith(("<>", "</>"), start):
        closes = text[start + 1] == "/"
        return Tag(start + (3 if closes else 2), True, not closes, closes)
    found = NAME.match(text, start)
    if not found or not found["name"]:
        return None
    has_braces = False
    position = found.end()
    while True:
        before = position
        attribute = ATTRIBUTE.match(text, position)
        position = attribute.end() if attribute else position
        lead = text[position : position + 1]
        if lead == ">":
            break
        if text.startswith("/>", position):
            break
        if lead == "{":
            has_braces = True
            end = find.brace_end(position)
        elif lead in ("'", '"'):
            end = find.after(lead, position + 1)
        else:
            end = position if position > before else None
        if end is None:
            return None
        position = end
    closes_itself = text[position] == "/"
    name = found["name"]
    is_component = name[0].isupper() or "." in name or has_braces
    return Tag(
        position + (2 if closes_itself else 1),
        is_component,
        opens=not found["slash"] and not closes_itself,
        closes=bool(found["slash"]),
    )


def statement_end(text: str, position: int, find: Finder) -> int:
    """Where a module's statement ends: before a blank line at which none of its braces is open."""
    while True:
        end = find.paragraph_end(position)
        opened = text.find("{", position, end)
        close = find.brace_end(opened) if opened >= 0 else None
        if opened < 0:
            return end
        position = close if close is not None else opened + 1


def margin_after(text: str, position: int, outer: int) -> int:
    """The indentation of what an element encloses, told by its first line."""
    first = INDENT.match(text, position)
    return len(first[1]) if first else outer


def literal(expression: str) -> str:
    """The text of an expression that is nothing but text, as `{" "}` is."""
    found = LITERAL.fullmatch(expression)
    return next((part for part in found.groups() if part is not None), "") if found else ""
