"""Zip and tar files that may mean harm, unpacked into a scratch folder.

Names in an archive never become names on disk: what is taken is written under running numbers, so there is nothing to
escape with. What is written is limited in count, in size, and in how far it may expand.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import os
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeAlias, cast

import msgspec

from twin.collection.base import too_large
from twin.errors import CollectionError, SourceFailed, SourceRefused

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

__all__ = ["ENDINGS", "Limits", "Member", "Refusal", "is_archive", "names", "safe_path", "unpack"]

ZIP = ".zip"
TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2")
ENDINGS = (ZIP, *TARS)
CHUNK = 1 << 16
RATIO_FREE_BYTES = 1_000_000
"""What expands to less than this is never taken for a bomb."""
METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2})
"""Compression whose memory is bounded whatever the archive says."""
END_OF_DIRECTORY = b"PK\x05\x06"
MAX_DIRECTORY_BYTES = 64_000_000
BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    RuntimeError,
    OverflowError,
)
"""What zipfile, tarfile and the decompressors raise over what is not, or no longer, an archive."""


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


class _Entry(Protocol):
    """An entry that is about to be copied."""

    def read(self, size: int, /) -> bytes: ...


_Found: TypeAlias = tuple[str, PurePosixPath | None, int | None, Callable[[], _Entry]]
"""An entry's name, its path where that is safe, its size in the archive where it has one of its own, and a way in."""


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
            raise SourceRefused(f"the archive has more than {self.limits.entries:,} entries")

    def copy(self, entry: _Entry, limit: int, compressed: int | None) -> Path:
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
            raise _TooMuch(f"the archive unpacks to more than {self.limits.total_bytes:,} bytes")
        if compressed is not None and size > max(RATIO_FREE_BYTES, self.limits.ratio * compressed):
            return f"it expands more than {self.limits.ratio} times, as a zip bomb does"
        return too_large(None, limit) if size > limit else None


class _TooMuch(SourceRefused):
    """The whole archive is refused, not one entry of it."""


def is_archive(name: str) -> bool:
    """Whether a file's name says that it is an archive which can be read."""
    return name.lower().endswith(ENDINGS)


def safe_path(name: str) -> PurePosixPath | None:
    """The path of an entry within its archive; None when it leads elsewhere or is no path."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or "\0" in name or re.match(r"[A-Za-z]:", name) or not path.parts:
        return None
    return path


def names(path: Path) -> list[str]:
    """The names of a zip file's entries, unchecked; none for what is not a readable zip file. Unpacks nothing."""
    if not path.name.lower().endswith(ZIP):
        return []
    try:
        with path.open("rb") as file, _open_zip(file) as archive:
            return [_name(info) for info in archive.infolist()]
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
    read = _read_zip if name.lower().endswith(ZIP) else _read_tar
    for entry_name, path, size, opened in read(file, scratch):
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
        except _TooMuch:
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
        except _TooMuch:
            raise
        except CollectionError as error:
            yield _refusal(within / path, error)
        place.unlink()


def _refusal(path: PurePosixPath, error: CollectionError) -> Refusal:
    return Refusal(name=str(path), reason=error.message, refused=isinstance(error, SourceRefused))


def _read_zip(file: IO[bytes], scratch: _Scratch) -> Iterator[_Found]:
    with _open_zip(file) as archive:
        for info in archive.infolist():
            scratch.count_entry()
            if info.is_dir():
                continue
            kind = stat.S_IFMT(info.external_attr >> 16)
            path = safe_path(_name(info)) if kind in (0, stat.S_IFREG) else None
            yield _name(info), path, info.compress_size, lambda info=info: _open_entry(archive, info)


def _open_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    if info.flag_bits & 0x1:
        raise SourceRefused("it is encrypted: unpack the archive with its password, and add the folder")
    if info.compress_type not in METHODS:
        raise SourceRefused("it is compressed in a way that is not read: unpack the archive, and add the folder")
    return archive.open(info)


def _open_zip(file: IO[bytes]) -> zipfile.ZipFile:
    """Opens a zip file whose directory, which is read whole, is of a sane size."""
    file.seek(0, 2)
    end = file.tell()
    start = max(0, end - 66_000)
    file.seek(start)
    tail = file.read()
    found = tail.rfind(END_OF_DIRECTORY)
    if found < 0 or len(tail) < found + 22:
        raise SourceFailed("it is not a zip file, or it breaks off: copy or download it again")
    (size,) = struct.unpack_from("<L", tail, found + 12)
    if size == 0xFFFFFFFF and found >= 20:
        (at,) = struct.unpack_from("<Q", tail, found - 20 + 8)
        file.seek(min(at, end))
        record = file.read(56)
        size = struct.unpack_from("<Q", record, 40)[0] if len(record) == 56 else size
    if size > MAX_DIRECTORY_BYTES:
        raise SourceRefused(f"its list of files has {size:,} bytes; at most {MAX_DIRECTORY_BYTES:,} are read")
    file.seek(0)
    return zipfile.ZipFile(file)


def _name(info: zipfile.ZipInfo) -> str:
    """The entry's name; many programs write UTF-8 without saying so, which zipfile reads as code page 437."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _read_tar(file: IO[bytes], scratch: _Scratch) -> Iterator[_Found]:
    file.seek(0)
    magic = file.read(3)
    file.seek(0, 2)
    size = file.tell()
    file.seek(0)
    raw = _decompressed(file, magic)
    bounded = _Bounded(raw, min(scratch.limits.total_bytes, max(RATIO_FREE_BYTES, scratch.limits.ratio * size)))
    with tarfile.open(fileobj=cast("IO[bytes]", bounded), mode="r:") as archive:
        while info := archive.next():
            scratch.count_entry()
            cast("Any", archive).members.clear()  # tarfile would keep every entry
            if info.isdir():
                continue
            path = safe_path(os.fsencode(info.name).decode("utf-8", "replace")) if info.isreg() else None
            yield info.name, path, None, lambda info=info: _extracted(archive, info)


def _decompressed(file: IO[bytes], magic: bytes) -> IO[bytes]:
    if magic.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    return cast("IO[bytes]", bz2.BZ2File(file)) if magic == b"BZh" else file


def _extracted(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    entry = archive.extractfile(info)
    if entry is None:
        raise SourceRefused("it is not a file")
    return entry


class _Bounded:
    """An uncompressed stream that is read only so far, and never much at once: a header may ask for any amount."""

    def __init__(self, raw: IO[bytes], limit: int) -> None:
        self._raw = raw
        self._limit = limit

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > MAX_DIRECTORY_BYTES:
            raise SourceRefused("the archive has a header of an unbelievable size")
        self._check(self._raw.tell() + size)
        return self._raw.read(size)

    def seek(self, position: int, whence: int = 0) -> int:
        if whence == 0:
            self._check(position)
        return self._raw.seek(position, whence)

    def tell(self) -> int:
        return self._raw.tell()

    def _check(self, position: int) -> None:
        # Above the limit by one block at most, which tarfile reads to find the end
        if position > self._limit + tarfile.RECORDSIZE:
            raise _TooMuch(f"the archive unpacks to more than {self._limit:,} bytes")


@contextlib.contextmanager
def _explained(name: str) -> Generator[None]:
    try:
        yield
    except BROKEN as error:
        raise SourceFailed(f"{name} cannot be unpacked: {error or type(error).__name__}") from None
