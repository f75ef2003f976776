"""The file that a child's output goes to."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, BinaryIO

from twin.settings import RetentionSettings, read

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LogFile"]


class LogFile:
    """Lines appended to a file. A line that cannot be written is lost, and nothing else: `write` never raises.

    After an error the file is opened again for the next line, and how many lines are missing is written first. A file
    that would grow beyond `max_bytes` is set aside as `<name>.1` and begun anew; those set aside before become `.2`
    and so on, and beyond `kept` of them the oldest goes.
    """

    def __init__(self, path: Path, *, max_bytes: int, kept: int) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.kept = kept
        self._file: BinaryIO | None = None
        self._size = 0
        self._lost = 0

    @classmethod
    def opened(cls, path: Path) -> LogFile:
        """A log as long as the settings have it."""
        settings = read(RetentionSettings)
        return cls(path, max_bytes=int(settings.log_mb * 1_000_000), kept=settings.log_files)

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
            self._size = self._file.tell()
        if self._size and self._size + len(content) > self.max_bytes:
            self._set_aside()
            self._append(content)
            return
        self._file.write(content)
        self._size += len(content)

    def _set_aside(self) -> None:
        self.close()
        for number in range(self.kept, 0, -1):
            older = self._aside(number - 1) if number > 1 else self.path
            if older.exists():
                older.replace(self._aside(number))

    def _aside(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")
