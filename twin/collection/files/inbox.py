"""What came through standard input, kept as a file, so that it is a source like any other and can be read again."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from twin import disk
from twin.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twin.warehouse import Warehouse

__all__ = ["PREFIX", "adopt", "name_in", "spool"]

PREFIX = "inbox:"
"""How the location of what is in the inbox begins; its name there follows, so it holds wherever the home is."""
NAME = re.compile(r"[0-9a-f]{32}\.(md|jsonl?)")

MAX_FACTOR = 100
"""All of it may be this many times what one document may."""


def spool(chunks: Iterable[bytes], inbox: Path, *, title: str | None = None, max_bytes: int) -> str:
    """Writes what comes to `inbox`, under its own hash: JSON lines, a JSON list of documents, or else a text.

    Returns its location. The same input is the same file. `title` becomes the front matter of a text that has none.

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
    return PREFIX + target.name


def name_in(location: str) -> str | None:
    """The name of the file in the inbox that a location means, or None when it means something else."""
    name = location.removeprefix(PREFIX)
    return name if name != location and NAME.fullmatch(name) else None


def adopt(warehouse: Warehouse, inbox: Path) -> None:
    """Gives sources that an earlier version remembered by their whole path a location that moves with the home.

    Their documents are taken away, and come back with the next look.
    """
    for source in warehouse.sources.all():
        path = Path(source.location)
        if path.parent.name == inbox.name and NAME.fullmatch(path.name) and (inbox / path.name).is_file():
            warehouse.sources.add([msgspec.structs.replace(source, kind="inbox", location=PREFIX + path.name)])
            warehouse.sources.remove(source.id)


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
