"""What came through standard input, kept as a file, so that it is a source like any other and can be read again."""

from __future__ import annotations

import hashlib
import json
import os
import re
from typing import TYPE_CHECKING

import msgspec

from twin import disk
from twin.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["spool"]

MAX_FACTOR = 100
"""All of it may be this many times what one document may."""


def spool(chunks: Iterable[bytes], inbox: Path, *, title: str | None = None, max_bytes: int) -> Path:
    """Writes what comes to `inbox`, under its own hash: JSON lines, a JSON list of documents, or else a text.

    The same input is the same file. `title` becomes the front matter of a text that has none.

    Raises:
        InputError: Nothing came, or too much; a title was given for JSON lines.
    """
    digest = hashlib.sha256()
    size = 0
    with disk.staged_file(inbox / "spool", mode=0o600) as (staging, file):
        ending = ""
        for chunk in _with_beginning(chunks):
            if not ending:
                ending = _ending(chunk)
                chunk = _titled(chunk, title, ending)
            digest.update(chunk)
            size += len(chunk)
            if size > max_bytes * MAX_FACTOR:
                raise InputError(f"More than {max_bytes * MAX_FACTOR:,} bytes came through standard input.")
            file.write(chunk)
        if not ending:
            raise InputError("Nothing came through standard input.")
        file.flush()
        os.fsync(file.fileno())
        target = inbox / f"{digest.hexdigest()[:32]}{ending}"
        staging.replace(target)
    return target


def _with_beginning(chunks: Iterable[bytes]) -> Iterable[bytes]:
    """The chunks, the first of them with at least one whole line that is not blank."""
    beginning = b""
    waiting = iter(chunks)
    for chunk in waiting:
        beginning += chunk
        if b"\n" in beginning.lstrip():
            break
    if beginning.strip():
        yield beginning
        yield from waiting


def _ending(beginning: bytes) -> str:
    beginning = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    if re.match(rb"\[\s*\{", beginning):
        return ".json"
    try:
        return ".jsonl" if isinstance(msgspec.json.decode(beginning.split(b"\n", 1)[0]), dict) else ".md"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ".md"


def _titled(beginning: bytes, title: str | None, ending: str) -> bytes:
    if not title:
        return beginning
    if ending != ".md":
        raise InputError("--title is for a text; documents in JSON have a title each.")
    if beginning.startswith((b"---", b"+++")):
        raise InputError("--title is for a text without front matter, and this one has its own.")
    return f"---\ntitle: {json.dumps(title)}\n---\n\n".encode() + beginning
