"""The entries of zip and tar files: what they are called, whether that is safe, and a way to their bytes."""

from __future__ import annotations

import bz2
import gzip
import os
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from twin.errors import SourceFailed, SourceRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["BROKEN", "Entry", "TooMuch", "open_zip", "read_tar", "read_zip", "safe_path", "zip_name"]

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


class TooMuch(SourceRefused):
    """The whole archive is refused, not one entry of it."""


class Readable(Protocol):
    """The bytes of an entry."""

    def read(self, size: int, /) -> bytes: ...


class Entry(NamedTuple):
    """A file in an archive, or what pretends to be one."""

    name: str
    path: PurePosixPath | None
    """Within the archive; None when the name leads elsewhere, or it is no regular file."""
    size: int | None
    """Compressed, where it is compressed by itself."""
    open: Callable[[], Readable]


def safe_path(name: str) -> PurePosixPath | None:
    """The path of an entry within its archive; None when it leads elsewhere or is no path."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or "\0" in name or re.match(r"[A-Za-z]:", name) or not path.parts:
        return None
    return path


def read_zip(file: IO[bytes]) -> Iterator[Entry]:
    """The entries of a zip file, its folders aside, in its own order."""
    with open_zip(file) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            kind = stat.S_IFMT(info.external_attr >> 16)
            path = safe_path(zip_name(info)) if kind in (0, stat.S_IFREG) else None
            yield Entry(zip_name(info), path, info.compress_size, lambda info=info: _open_entry(archive, info))


def _open_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    if info.flag_bits & 0x1:
        raise SourceRefused("it is encrypted: unpack the archive with its password, and add the folder")
    if info.compress_type not in METHODS:
        raise SourceRefused("it is compressed in a way that is not read: unpack the archive, and add the folder")
    return archive.open(info)


def open_zip(file: IO[bytes]) -> zipfile.ZipFile:
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


def zip_name(info: zipfile.ZipInfo) -> str:
    """The entry's name; many programs write UTF-8 without saying so, which zipfile reads as code page 437."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def read_tar(file: IO[bytes], limit: int) -> Iterator[Entry]:
    """The entries of a tar file, plain or compressed, of which at most `limit` bytes are read.

    Each is to be opened before the next one is asked for.
    """
    file.seek(0)
    magic = file.read(3)
    file.seek(0)
    bounded = _Bounded(_decompressed(file, magic), limit)
    with tarfile.open(fileobj=cast("IO[bytes]", bounded), mode="r:") as archive:
        while info := archive.next():
            cast("Any", archive).members.clear()  # tarfile would keep every entry
            if info.isdir():
                continue
            path = safe_path(os.fsencode(info.name).decode("utf-8", "replace")) if info.isreg() else None
            yield Entry(info.name, path, None, lambda info=info: _extracted(archive, info))


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
            raise TooMuch(f"the archive unpacks to more than {self._limit:,} bytes")
