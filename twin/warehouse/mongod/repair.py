"""Saving what can be read of data that is damaged.

MongoDB's own repair works in place and may lose more than it saves, so the damaged data is copied first. Afterwards the
server is no member of its replica set any more, since its data may differ from that of others. There are no others: it
becomes the first member of a new one.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from twin.errors import PlatformError
from twin.processes import Child
from twin.warehouse.mongod import origin, server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["repair"]


def repair(folder: Path, *, log: Path | None = None, on_line: Callable[[str], None] | None = None) -> Path:
    """Saves what can be read of the data in `folder`, which no server may use; returns where the damaged data is kept.

    Raises:
        PlatformError: There is none, or it cannot be copied or repaired; it is as it was.
    """
    socket = server.prepare(folder)
    binary = origin.choose(folder).binary
    data, kept = folder / "data", _unused(folder)
    _copy(data, kept)
    child = Child("mongod", [*server.command(binary, data, socket), "--repair"], log=log, on_line=on_line)
    try:
        code = child.wait()
        if code == 0:
            server.leave_replica_set(binary, data, socket, log=log, on_line=on_line)
            return kept
    except BaseException:
        child.stop()
        _put_back(kept, data)
        raise
    _put_back(kept, data)
    raise PlatformError(
        f"mongod {binary.version} cannot repair {data} (exit code {code}), which is as it was. Move the folder away: "
        "documents come again from their sources, and `llm-twin warehouse import` brings a backup back."
    )


def _unused(folder: Path) -> Path:
    """A name for the damaged data that is not taken."""
    number = 1
    while (place := folder / f"data-damaged-{number}").exists():
        number += 1
    return place


def _copy(data: Path, kept: Path) -> None:
    if not any(data.iterdir()):
        raise PlatformError(f"There is no data in {data} yet, so nothing to repair.")
    try:
        shutil.copytree(data, kept)
    except (OSError, shutil.Error) as error:
        shutil.rmtree(kept, ignore_errors=True)
        raise PlatformError(f"{data} cannot be copied, which comes before repairing it: {error}") from error


def _put_back(kept: Path, data: Path) -> None:
    shutil.rmtree(data)
    kept.rename(data)
