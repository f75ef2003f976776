"""Why mongod ended, and what to do about it.

What it logged counts first, since one exit code stands for many reasons; then what MongoDB's manual says of the code.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

from twin import users
from twin.warehouse.mongod.binaries import ADVICE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from twin.warehouse.mongod.binaries import Binary

__all__ = ["NO_SPACE", "WRONG_VERSION", "explain", "no_room"]

WRONG_VERSION = 62
NO_SPACE = "No space left on device"
IN_USE = "DBPathInUse"
ROOM_MB = 400
"""Of a new database, most of it the journal."""
DAMAGED = re.compile(
    r"corrupt|WT_TRY_SALVAGE|WT_PANIC|-31802|-31804|-31809|checksum|InvalidBSON|Cursor not found|--repair",
    re.IGNORECASE,
)
FILE = re.compile(r"table:([\w.-]+)|([\w.-]+\.(?:wt|turtle|bson)|WiredTigerLog\.\d+)")
SIGNAL = 128
"""A code above this is a signal's number more."""

CODES = {
    0: "was stopped by somebody before it was ready. Run it again.",
    1: "failed.",
    2: "does not know one of the options that it is started with; another release may.",
    3: "was given another host name than it had.",
    4: "is of another version than the data.",
    5: "failed while it was starting.",
    12: "was told to end by Windows.",
    14: "met an error that it cannot go on after.",
    20: "could not set up the network.",
    48: "cannot listen on its socket.",
    50: "could not start its own process.",
    51: "could not tell that it was ready.",
    61: "waited in vain for the disk, which does not answer.",
    WRONG_VERSION: "is of a release that cannot open this data.",
    87: "ended itself because a check of its own health failed.",
    100: "met an error that it does not handle.",
    102: "could not rotate its audit log.",
    SIGNAL + 4: "uses instructions that this processor lacks: MongoDB 5 and later need AVX, on ARM version 8.2-A. "
    "Put an older mongod on PATH, or set MONGODB_URI to a server elsewhere.",
    SIGNAL + 6: "gave up after an error.",
    SIGNAL + 7: "could not read a page of its data from the disk.",
    SIGNAL
    + 9: "was killed from outside, most likely because the memory had run out. Free some (it needs about 400 MB).",
    SIGNAL + 11: "crashed.",
    SIGNAL + 15: "was stopped by somebody before it was ready. Run it again.",
    SIGNAL
    + 25: "was stopped because a file may not grow any more: this user's limit on the size of files (ulimit -f).",
}
"""What each exit code says, as the end of a sentence that begins with mongod."""


class Entry(NamedTuple):
    """A line of mongod's log that tells of an error."""

    message: str
    details: str


def explain(code: int, lines: Sequence[str], *, data: Path, binary: Binary) -> str:
    """What happened to a mongod that ended with `code`, its last `lines` being these, and what to do."""
    errors = list(_errors(lines))
    text = "\n".join(f"{error.message} {error.details}" for error in errors)
    name = f"mongod {binary.version} over {data}"
    if code == WRONG_VERSION:
        return (
            f"{name} {CODES[code]} {_reason(errors)} Put the release that made it, or the one after that, on PATH, or "
            "set MONGODB_URI."
        )
    if IN_USE in text and "already running" in text:
        return f"{name}: another mongod uses this folder. End it, or set TWIN_HOME to another folder."
    if _is_full(data, text):
        return no_room(data)
    if "ermission denied" in text or "not permitted" in text:
        owner = users.called(os.geteuid())
        return f"{name} may not use that folder: {_reason(errors)} It must belong to {owner}, and all files in it too."
    if DAMAGED.search(text):
        return _damage(name, errors)
    said = CODES.get(code, "ended." if code < SIGNAL else f"was ended by signal {code - SIGNAL}.")
    return f"{name} {said} {_reason(errors) or _last(lines)} {ADVICE if code == 2 else ''}".rstrip()


def no_room(data: Path) -> str:
    """What is said of a disk that is full."""
    free = shutil.disk_usage(data).free // 1_000_000
    return (
        f"mongod has too little room for {data}: {free:,} MB are free on that disk, and a new database takes "
        f"{ROOM_MB}. Free some, or set TWIN_HOME to a folder on another disk."
    )


def _damage(name: str, errors: Sequence[Entry]) -> str:
    named = FILE.search(" ".join(f"{error.message} {error.details}" for error in errors))
    known = (named[2] or f"{named[1]}.wt") if named else "a file"
    return (
        f"{name} cannot read its data: {known} is damaged. {_reason(errors)} `llm-twin warehouse repair` saves what "
        "can be read, and keeps the damaged data beside it. Where that does not help, move the folder away: documents "
        "come again from their sources, and `llm-twin warehouse import` brings a backup back."
    )


def _errors(lines: Sequence[str]) -> Iterator[Entry]:
    """The errors that were logged, without the stack frames that follow them."""
    for line in lines:
        entry = _json(line)
        if entry.get("s") in {"E", "F"} and not str(entry.get("msg", "")).strip().startswith("***"):
            yield Entry(str(entry.get("msg", "")).strip(), json.dumps(entry.get("attr", {})))


def _reason(errors: Sequence[Entry]) -> str:
    """The first error in its own words; most of what follows comes of it."""
    for error in errors:
        detail = _words(json.loads(error.details))
        if detail or "rror message" not in error.message:
            return f"It says: {': '.join(filter(None, (error.message, detail)))[:400].rstrip('.')}."
    return ""


def _words(value: Any) -> str:
    """What the details of an entry say in words, whatever their shape."""
    if not isinstance(value, dict):
        return str(value) if isinstance(value, str) else ""
    for key in ("error", "errmsg", "message", "msg", "reason", "desc"):
        if key in value and (words := _words(value[key])):
            return words
    return ""


def _last(lines: Sequence[str]) -> str:
    """The last lines that are no entries of the log, such as a complaint about an option."""
    plain = [line for line in lines if line.strip() and not _json(line)]
    return f"It says: {' '.join(plain[:3])[:400].rstrip('.')}." if plain else "Its log does not say why."


def _json(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _is_full(data: Path, text: str) -> bool:
    if NO_SPACE in text:
        return True
    try:
        return shutil.disk_usage(data).free < ROOM_MB * 1_000_000 and "WT_PANIC" in text
    except OSError:
        return False
