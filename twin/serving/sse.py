"""Server-sent events, read from bytes that arrive in pieces of any size and written as bytes."""

from __future__ import annotations

import re

__all__ = ["EventParser", "event"]

# A carriage return that ends the buffer may be half of a CRLF, so it is not yet a line end.
_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")


class EventParser:
    """Turns chunks of an event stream into the data of its complete events.

    Chunks may be cut anywhere: inside a line, a CRLF or a character. Fields other than `data` (ids, retry times,
    comments that keep a connection open) are skipped.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> list[str]:
        """The data of each event that `chunk` completes, in order."""
        *lines, self._rest = _LINE_END.split(self._rest + chunk)
        return [data for line in lines if (data := self._take(line)) is not None]

    def _take(self, line: bytes) -> str | None:
        """Adds one line; a blank one ends the event and gives its data."""
        if line:
            field, _, value = line.partition(b":")
            if field == b"data":
                self._data.append(value.removeprefix(b" ").decode("utf-8", "replace"))
            return None
        if not self._data:
            return None
        data, self._data = "\n".join(self._data), []
        return data


def event(data: str) -> bytes:
    """One event that carries `data`."""
    return b"".join(b"data: " + line.encode() + b"\n" for line in data.split("\n")) + b"\n"
