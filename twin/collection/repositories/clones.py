"""Clones that are kept from one run to the next, so that only what is new has to be fetched."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

__all__ = ["keep_only", "path_of"]


def path_of(cache: Path, source_id: str) -> Path:
    """Where the clone of a source is kept."""
    return cache / "git" / f"{source_id}.git"


def keep_only(cache: Path, source_ids: Collection[str]) -> None:
    """Removes the clones of every other source: those that were forgotten since. Call it while nothing is collected."""
    for clone in (cache / "git").glob("*.git"):
        if clone.stem not in source_ids:
            shutil.rmtree(clone, ignore_errors=True)
