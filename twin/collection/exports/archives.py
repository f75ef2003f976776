"""Zip and tar files that may mean harm, unpacked into a scratch folder.

Names in an archive never become names on disk: what is taken is written under running numbers, so there is nothing to
escape with. What is written is limited in count, in size, and in how far it may expand.
"""

from __future__ import annotations

import contextlib
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

import msgspec

from twin.collection.exports import containers
from twin.collection.exports.containers import BROKEN, Readable, TooMuch
from twin.collection.refusals import too_large
from twin.errors import CollectionError, SourceFailed, SourceRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

__all__ = ["ENDINGS", "Limits", "Member", "Refusal", "is_archive", "names", "unpack"]

ZIP = ".zip"
TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2")
ENDINGS = (ZIP, *TARS)
CHUNK = 1 << 16
RATIO_FREE_BYTES = 1_000_000
"""What expands to less than this is never taken for a bomb."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive may have."""

    member_bytes: int
    """A larger file is refused, the rest is taken."""
    total_bytes: int = 4_000_000_000
    """Of all that is unpacked; beyond that the archive is refused."""
    entries: int = 200_000
    ratio: int = 200
    """Bytes out of one byte in. Prose comes to 3, tables of numbers to 20."""
    depth: int = 3
    """Archives within archives that are opened."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A file of an export, wherever it lies."""

    path: PurePosixPath
    """Within the export."""
    place: Path
    """Where its bytes are."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that was not unpacked."""

    name: str
    reason: str
    refused: bool = True
    """False for one that is broken."""


class _Scratch:
    """The scratch folder, and what has been spent of the limits."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.limits = limits
        self._folder = folder
        self._files = 0
        self._entries = 0
        self._bytes = 0

    def count_entry(self) -> None:
        self._entries += 1
        if self._entries > self.limits.entries:
            raise TooMuch(f"the archive has more than {self.limits.entries:,} entries")

    def copy(self, entry: Readable, limit: int, compressed: int | None) -> Path:
        """Writes an entry to a new file; `compressed` is its size in the archive, where it has one of its own."""
        place = self._folder / str(self._files)
        self._files += 1
        size = 0
        with place.open("xb") as file:
            while chunk := entry.read(CHUNK):
                size += len(chunk)
                self._bytes += len(chunk)
                if problem := self._problem(size, limit, compressed):
                    break
                file.write(chunk)
            else:
                return place
        place.unlink()
        raise SourceRefused(problem)

    def _problem(self, size: int, limit: int, compressed: int | None) -> str | None:
        if self._bytes > self.limits.total_bytes:
            raise TooMuch(f"the archive unpacks to more than {self.limits.total_bytes:,} bytes")
        if compressed is not None and size > max(RATIO_FREE_BYTES, self.limits.ratio * compressed):
            return f"it expands more than {self.limits.ratio} times, as a zip bomb does"
        return too_large(None, limit) if size > limit else None


def is_archive(name: str) -> bool:
    """Whether a file's name says that it is an archive which can be read."""
    return name.lower().endswith(ENDINGS)


def names(path: Path) -> list[str]:
    """The names of a zip file's entries, unchecked; none for what is not a readable zip file. Unpacks nothing."""
    if not path.name.lower().endswith(ZIP):
        return []
    try:
        with path.open("rb") as file, containers.open_zip(file) as archive:
            return [containers.zip_name(info) for info in archive.infolist()]
    except (*BROKEN, CollectionError):
        return []


def unpack(
    path: Path, wanted: Callable[[PurePosixPath], bool], folder: Path, limits: Limits
) -> Iterator[Member | Refusal]:
    """The files of an archive, and of archives in it, that are `wanted`, in the archive's order.

    Raises:
        SourceFailed: It is not a readable archive, or breaks off.
        SourceRefused: It has too many entries or unpacks to too much.
    """
    scratch = _Scratch(folder, limits)
    with _explained(path.name), path.open("rb") as file:
        yield from _unpack(file, path.name, PurePosixPath(), wanted, scratch, 1)


def _unpack(
    file: IO[bytes],
    name: str,
    within: PurePosixPath,
    wanted: Callable[[PurePosixPath], bool],
    scratch: _Scratch,
    depth: int,
) -> Iterator[Member | Refusal]:
    for entry_name, path, size, opened in _entries(file, name, scratch.limits):
        scratch.count_entry()
        if path is None:
            yield Refusal(name=entry_name, reason="its name or kind is not that of a file within the archive")
            continue
        nested = is_archive(path.name)
        if not nested and not wanted(path):
            continue
        if nested and depth >= scratch.limits.depth:
            yield Refusal(
                name=str(within / path), reason=f"archives more than {scratch.limits.depth} deep are not opened"
            )
            continue
        limit = scratch.limits.total_bytes if nested else scratch.limits.member_bytes
        try:
            with _explained(str(path)):
                place = scratch.copy(opened(), limit, size)
        except TooMuch:
            raise
        except CollectionError as error:
            yield _refusal(within / path, error)
            continue
        if not nested:
            yield Member(path=within / path, place=place)
            continue
        # Parts of one export (Notion's) unpack into one another's folders, so a nested archive's name is no folder
        try:
            with _explained(path.name), place.open("rb") as inner:
                yield from _unpack(inner, path.name, within / path.parent, wanted, scratch, depth + 1)
        except TooMuch:
            raise
        except CollectionError as error:
            yield _refusal(within / path, error)
        place.unlink()


def _entries(file: IO[bytes], name: str, limits: Limits) -> Iterator[containers.Entry]:
    if name.lower().endswith(ZIP):
        return containers.read_zip(file)
    size = file.seek(0, 2)
    return containers.read_tar(file, min(limits.total_bytes, max(RATIO_FREE_BYTES, limits.ratio * size)))


def _refusal(path: PurePosixPath, error: CollectionError) -> Refusal:
    return Refusal(name=str(path), reason=error.message, refused=isinstance(error, SourceRefused))


@contextlib.contextmanager
def _explained(name: str) -> Generator[None]:
    try:
        yield
    except BROKEN as error:
        raise SourceFailed(f"{name} cannot be unpacked: {error or type(error).__name__}") from None
