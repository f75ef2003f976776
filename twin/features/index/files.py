"""A generation's files: carried over to the next one, made durable, and known to be whole."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from typing import TYPE_CHECKING

from twin.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = [
    "FROZEN",
    "allocated",
    "carry_over",
    "demand_space",
    "differing",
    "full_disk_explained",
    "sizes",
]

FROZEN = frozenset(
    {
        "matrix.dat",  # dense vectors
        "links.bin",  # the graph over them
        "links_compressed.bin",
        "inverted_index.dat",  # BM25 postings
        "point_to_values.bin",  # payload indexes
        "values_to_points.bin",
        "data.bin",
        "id_tracker.mappings",
    }
)
"""What the engine writes once, when it builds a segment, and only ever maps for reading. Changes and deletions of
points go to the files beside them. Generations share these files by hard link: it saves their copy, their disk space,
and the reading of them when a new generation is opened. A test watches that the engine keeps to it."""

COPY_BYTES = 1 << 22
BLOCK_BYTES = 512
"""The unit of `st_blocks`."""
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def carry_over(source: Path, target: Path, names: Iterable[str]) -> None:
    """Makes `target` a copy of the named files in `source` that can be written to without changing those.

    The files are named because the engine makes others there for a moment whenever a reader opens the shard.
    """
    for name in names:
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        _carry(source / name, copy)


def sizes(folder: Path) -> dict[str, int]:
    """The size of every file under a folder, by its path there."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.stat().st_size for path in found}


def differing(folder: Path, expected: Mapping[str, int]) -> str | None:
    """A file that is missing or not of its size, or None.

    The engine maps files into memory. Reading the part of a mapping that its file does not have ends the process, so a
    file that was cut short has to be found before the engine opens it.
    """
    for name, size in expected.items():
        try:
            found = (folder / name).stat().st_size
        except OSError:
            return f"{name} is missing"
        if found != size:
            return f"{name} has {found} bytes instead of {size}"
    return None


def allocated(folder: Path, names: Iterable[str]) -> int:
    """Bytes on disk of the named files in a folder, holes aside."""
    return sum((folder / name).stat().st_blocks * BLOCK_BYTES for name in names)


def demand_space(folder: Path, needed: int) -> None:
    """Makes sure that a disk has room.

    The engine writes through memory mappings. When the disk is full, such a write does not fail: it ends the process.

    Raises:
        ArtifactError: There are fewer than `needed` bytes free.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ArtifactError(
            f"Publishing to the index in {folder} needs about {needed / 1e6:.0f} MB of disk, and {free / 1e6:.0f} MB "
            "are free; the live index was not changed. Free some space and publish again."
        )


@contextlib.contextmanager
def full_disk_explained(folder: Path) -> Generator[None]:
    """Says what to do when a write fails for want of room."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise ArtifactError(
            f"There is no room to publish to the index in {folder}: {error.strerror}; the live index was not changed. "
            "Free some space and publish again."
        ) from error


def _carry(source: Path, target: Path) -> None:
    if source.name in FROZEN:
        with contextlib.suppress(OSError):  # a file system without hard links
            os.link(source, target)
            return
    _copy_sparse(source, target)


def _copy_sparse(source: Path, target: Path) -> None:
    """Copies a file without its holes: the engine allocates 32 MB files that hold a few hundred kB at first."""
    with source.open("rb", buffering=0) as reading, target.open("wb", buffering=0) as writing:
        writing.truncate(os.fstat(reading.fileno()).st_size)
        for start, end in _data_ranges(reading.fileno()):
            reading.seek(start)
            writing.seek(start)
            while (left := end - reading.tell()) > 0:
                writing.write(reading.read(min(left, COPY_BYTES)))


def _data_ranges(file: int) -> Iterator[tuple[int, int]]:
    """Start and end of every part of a file that is not a hole."""
    end = 0
    while True:
        try:
            start = os.lseek(file, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # no data after `end`
                return
            raise
        end = os.lseek(file, start, os.SEEK_HOLE)
        yield start, end
