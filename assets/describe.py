"""What all assets do the same way: telling their story in Dagster's metadata, and publishing one at a time."""

import base64
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from twin.document_faults import LeftOut
    from twin.warehouse import Lease, Warehouse

__all__ = [
    "KEPT_IN_STEP",
    "NOTHING_NEW",
    "OWNER",
    "Stopwatch",
    "collecting",
    "counted",
    "picture",
    "publishing",
    "stopwatch",
    "table",
    "tell_left_out",
]

OWNER = "team:llm-twin"
KEPT_IN_STEP = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=7), warn_window=timedelta(days=2))
"""Of what each look at the sources makes anew, changed or not."""
LOCK_WAIT_SECONDS = 120.0
"""How long a run waits for another that is publishing, before it fails and says which one."""
NOTHING_NEW = {"llm_twin/found": "nothing new"}
"""The tag of a run that found every source as it was; of such runs only the last is kept."""
PREVIEW_ROWS = 8
PREVIEW_CHARS = 160
MAX_LEFT_OUT = 100


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


def publishing(context: dg.AssetExecutionContext, warehouse: "Warehouse") -> "AbstractContextManager[Lease]":
    """Holds the publishing lock within the block: two runs never write a dataset, the index or a model at once."""
    return warehouse.publish_lock(_owner(context), wait_seconds=LOCK_WAIT_SECONDS)


def collecting(context: dg.AssetExecutionContext, warehouse: "Warehouse") -> "AbstractContextManager[Lease]":
    """Holds the collecting lock within the block: two runs never read the sources at once."""
    return warehouse.collect_lock(_owner(context), wait_seconds=LOCK_WAIT_SECONDS)


def _owner(context: dg.AssetExecutionContext) -> str:
    return f"{context.asset_key.to_user_string()} of run {context.run.run_id}"


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


def picture(png: bytes, what: str) -> dg.MetadataValue:
    """An image in the UI, within the metadata itself."""
    return dg.MetadataValue.md(f"![{what}](data:image/png;base64,{base64.b64encode(png).decode()})")


def tell_left_out(context: dg.AssetExecutionContext, documents: "Sequence[LeftOut]") -> dict[str, Any]:
    """Warns of each document that a step could not deal with, and gives them as metadata."""
    for each in documents[:MAX_LEFT_OUT]:
        context.log.warning(f"left out {each.url}: {each.reason}")
    if not documents:
        return {}
    named = [{"url": each.url, "reason": each.reason} for each in documents[:MAX_LEFT_OUT]]
    return {"left_out": len(documents), "left_out_documents": dg.MetadataValue.json(named)}


def _cell(value: Any) -> str | int | float | bool:
    if isinstance(value, bool | int | float):
        return value
    text = " ".join(str(value).split())
    return text if len(text) <= PREVIEW_CHARS else text[: PREVIEW_CHARS - 1] + "…"
