"""Tables that never cut what they show: on a terminal as wide as it is, in a pipe as wide as the longest row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["print_table"]

KEPT_WHOLE = 20
"""Cells up to this width (dates, versions, counts) stay on one line."""
LEAST_WIDTH = 24
"""Narrower than this, a column of text is a column of syllables; then each row becomes a block of lines."""
RULES = 3
"""Characters between two columns."""


def print_table(
    console: Console,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    title: str | None = None,
    empty: str | None = None,
) -> None:
    """Prints rows under column names; text is shown as it is, never as markup, and never shortened.

    Args:
        console: Where to. What is no terminal gets one line a row, for grep and for mail.
        columns: The names of the columns.
        rows: Their cells; None is empty.
        title: Stands above the table.
        empty: What to do next, told in place of a table without rows.
    """
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if not cells and empty is not None:
        console.print(empty, markup=False, soft_wrap=True)
        return
    widths = [max(map(_width, column)) for column in zip(columns, *cells, strict=True)]
    if not console.is_terminal:
        _print_lines(console, [columns, *cells], title)
    elif sum(min(width, LEAST_WIDTH) if width > KEPT_WHOLE else width for width in widths) + RULES * len(widths) < (
        console.width
    ):
        console.print(_table(columns, cells, title, widths))
    else:
        _print_blocks(console, columns, cells, title)


def _width(cell: str) -> int:
    """Of the widest line, in places of a terminal."""
    return max(map(cell_len, cell.split("\n")))


def _table(columns: Sequence[str], cells: Sequence[Sequence[str]], title: str | None, widths: Sequence[int]) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold")
    for column, width in zip(columns, widths, strict=True):
        table.add_column(column, overflow="fold", no_wrap=width <= KEPT_WHOLE)
    for row in cells:
        table.add_row(*map(Text, row))
    return table


def _print_lines(console: Console, rows: Sequence[Sequence[str]], title: str | None) -> None:
    """A row a line, in columns, however long the lines are."""
    lines = [[" ".join(cell.split()) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    if title:
        console.out(title, highlight=False)
    for row in lines:
        padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        console.out(" │ ".join(padded).rstrip(), highlight=False)


def _print_blocks(console: Console, columns: Sequence[str], cells: Sequence[Sequence[str]], title: str | None) -> None:
    """A row as a block of lines, one for each cell that holds something."""
    if title:
        console.print(Text(title, style="italic"), soft_wrap=True)
    label = max(map(len, columns))
    for row in cells:
        for column, cell in zip(columns, row, strict=True):
            if cell:
                console.print(Text.assemble((f"{column:>{label}}  ", "bold"), cell), soft_wrap=True)
        console.print()
