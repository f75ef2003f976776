"""How assets tell their story in Dagster's metadata, the same way everywhere."""

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg

__all__ = ["OWNER", "Stopwatch", "counted", "stopwatch", "table"]

OWNER = "team:llm-twin"
PREVIEW_ROWS = 8
PREVIEW_CHARS = 160


class Stopwatch:
    """Seconds since its block began, or that its block took."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        return round(time.perf_counter() - self._began, 3)


@contextmanager
def stopwatch() -> Generator[Stopwatch]:
    """Measures how long a block takes."""
    yield Stopwatch()


def counted(**counts: Any) -> dict[str, Any]:
    """Counts and figures as metadata; None is left out, mappings become JSON."""
    return {
        name: dg.MetadataValue.json(dict(value)) if isinstance(value, Mapping) else value
        for name, value in counts.items()
        if value is not None
    }


def table(rows: Sequence[Mapping[str, Any]], limit: int = PREVIEW_ROWS) -> dg.MetadataValue:
    """The first rows as a table in the UI; long cells are cut for display."""
    records = [dg.TableRecord({key: _cell(value) for key, value in row.items()}) for row in rows[:limit]]
    columns = [dg.TableColumn(key, "string") for key in (rows[0] if rows else {"empty": ""})]
    return dg.MetadataValue.table(records=records, schema=dg.TableSchema(columns=columns))


def _cell(value: Any) -> str | int | float | bool:
    if isinstance(value, bool | int | float):
        return value
    text = " ".join(str(value).split())
    return text if len(text) <= PREVIEW_CHARS else text[: PREVIEW_CHARS - 1] + "…"
