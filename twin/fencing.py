"""A writer that has lost its lock writes nothing more.

A lock is a lease: a writer that was held up for long, by a machine that slept or a server out of reach, may come back
when another one has taken over. So whoever commits something asks `check` right before, and `check` asks the locks that
are held around it.
"""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["check", "fenced"]

_fences: ContextVar[tuple[Callable[[], None], ...]] = ContextVar("fences", default=())


@contextlib.contextmanager
def fenced(fence: Callable[[], None]) -> Generator[None]:
    """Within the block, `check` calls `fence`, which raises when the right to write is lost."""
    before = _fences.set((*_fences.get(), fence))
    try:
        yield
    finally:
        _fences.reset(before)


def check() -> None:
    """Call it right before what others will see is written.

    Raises:
        PublishConflict: Another writer has taken over.
        WarehouseUnavailable: Whether one has cannot be told.
    """
    for fence in _fences.get():
        fence()
