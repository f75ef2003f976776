"""Blocks as markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from twin.text.fences import fenced

if TYPE_CHECKING:
    from twin.collection.pages.blocks import Block

__all__ = ["markdown"]

LOOKS_LIKE_STRUCTURE = re.compile(r"(#{1,6}|>|[-+]|\d{1,9}[.)])(?=\s)")
"""What would make a heading, a quote or a list of a paragraph's beginning."""


RULE = "---"


def markdown(block: Block) -> str:
    """The markdown of a block and of what is in it and kept, blocks apart by a blank line."""
    pieces = _pieces(block)
    while pieces and pieces[-1] == RULE:
        pieces.pop()
    between = [piece for before, piece in zip([RULE, *pieces], pieces, strict=False) if before != RULE or piece != RULE]
    return "\n\n".join(between)


def _pieces(block: Block) -> list[str]:
    if not block.kept:
        return []
    match block.kind:
        case "paragraph":
            return ["\n".join(_plain_start(line) for line in block.text.split("\n"))]
        case "heading":
            return [f"{'#' * block.level} {block.text}"]
        case "code":
            return [fenced(block.text, block.language)]
        case "caption":
            return [block.text if block.text.startswith("*") else f"*{block.text}*"]
        case "rule":
            return [RULE]
        case "quote":
            return _quote(block)
        case "list":
            return _list(block)
        case "table":
            return _table(block)
        case _:
            return [piece for child in block.children for piece in _pieces(child)]


def _plain_start(line: str) -> str:
    """A line that must not be taken for a heading, a quote or a list."""
    found = LOOKS_LIKE_STRUCTURE.match(line)
    if not found:
        return line
    end = found.end()
    return f"{line[: end - 1]}\\{line[end - 1 :]}" if found[1][0].isdigit() else f"\\{line}"


def _quote(block: Block) -> list[str]:
    inner = "\n\n".join(piece for child in block.children for piece in _pieces(child))
    return ["\n".join(f"> {line}".rstrip() for line in inner.split("\n"))] if inner else []


def _list(block: Block) -> list[str]:
    lines: list[str] = []
    number = block.level
    loose = False
    for item in block.children:
        pieces = [piece for child in item.children for piece in _pieces(child)] if item.kept else []
        if not pieces:
            continue
        mark = f"{number}." if block.level else "-"
        number += 1
        many = sum(child.kind != "list" for child in item.children if child.kept) > 1
        loose = loose or many
        body = ("\n\n" if many else "\n").join(pieces)
        indent = " " * (len(mark) + 1)
        lines.append(f"{mark} " + "\n".join(f"{indent}{line}" if line else "" for line in body.split("\n")).lstrip())
    return [("\n\n" if loose else "\n").join(lines)] if lines else []


def _table(block: Block) -> list[str]:
    rows = [row.children for row in block.children if row.kept]
    if not rows:
        return []
    width = max(map(len, rows))
    head = rows[0]
    has_head = all(cell.level or not cell.text for cell in head) or not any(row[0].level for row in rows)
    lines = [_row([cell.text for cell in head] if has_head else [""] * width, width), _row(["---"] * width, width)]
    lines += [_row([cell.text for cell in row], width) for row in (rows[1:] if has_head else rows)]
    return ["\n".join(lines)]


def _row(texts: list[str], width: int) -> str:
    return f"| {' | '.join([*texts, *[''] * (width - len(texts))])} |"
