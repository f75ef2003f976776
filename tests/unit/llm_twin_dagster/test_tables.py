"""What a table shows is all there, whatever it is printed to."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from llm_twin_dagster.cli.tables import print_table

LOCATION = "/home/ada/writing/2024/travel/lisbon-in-the-rain.md"
TRACE = "0199d1f0-7c9a-7bd0-a51e-3f2f0c1de001"
ROWS = [
    [LOCATION, "refused", "The file is empty.", "2026-11-27 10:00", TRACE],
    [LOCATION.replace("lisbon", "porto"), "failed", "[bold]No[/] such file", "2026-11-27 10:01", TRACE[:-1] + "2"],
]
COLUMNS = ["location", "what", "why", "when", "trace"]


def printed(rows: list[list[str]], *, width: int, terminal: bool, empty: str | None = None) -> str:
    written = io.StringIO()
    console = Console(file=written, width=width, force_terminal=terminal, color_system=None, highlight=False)
    print_table(console, COLUMNS, rows, title="Problems", empty=empty)
    return written.getvalue()


def test_in_a_pipe_each_row_is_one_whole_line() -> None:
    lines = printed(ROWS, width=80, terminal=False).splitlines()
    for row in ROWS:
        assert len([line for line in lines if all(cell in line for cell in row)]) == 1


@pytest.mark.parametrize("width", [20, 40, 80, 120, 400])
def test_on_a_terminal_nothing_is_cut(width: int) -> None:
    text = printed(ROWS, width=width, terminal=True)
    assert "…" not in text
    if width != 120:  # there, long cells are folded inside of their columns
        assert all(cell in text for row in ROWS for cell in row)
    assert all(row[3] in text for row in ROWS), "dates stay on one line"


def test_folded_cells_keep_every_character() -> None:
    text = printed([["x" * 200, "a", "b", "c", "d"]], width=100, terminal=True)
    assert text.count("x") == 200


def test_an_empty_table_says_what_to_do_next() -> None:
    assert printed([], width=80, terminal=True, empty="Nothing yet: run `llm-twin ingest PATH`.") == (
        "Nothing yet: run `llm-twin ingest PATH`.\n"
    )
