"""The file that a child's output goes to."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LogFile"]


class LogFile:
    """Lines appended to a file. A line that cannot be written is lost, and nothing else: `write` never raises.

    After an error the file is opened again for the next line, and how many lines are missing is written first.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self._lost = 0

    def write(self, line: str) -> None:
        """Appends a line."""
        note = f"({self._lost} lines are missing here: this file could not be written)\n" if self._lost else ""
        try:
            self._append(f"{note}{line}\n".encode("utf-8", "replace"))
        except OSError:
            self._lost += 1
            self.close()
        else:
            self._lost = 0

    def close(self) -> None:
        """Closes the file until the next line."""
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._file.close()
        self._file = None

    def _append(self, content: bytes) -> None:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab", buffering=0)  # a buffer would fail at some later line, or when closed
        self._file.write(content)
