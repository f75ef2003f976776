"""Generations of the index as folders: staged aside, moved into place, and made live by one atomic switch.

root/
  CURRENT                  the name of the live generation
  LOCK                     held while publishing
  generations/000007-3fa9c2d1/
    manifest.json          what it is
    points.json            fingerprint of every passage in it, by chunk id
    shard/                 the engine's own files
  staging/                 at most one generation in the making
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from datetime import datetime  # noqa: TC003 - msgspec reads the annotations
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from twin.errors import ArtifactError, IndexUnavailable, PublishConflict

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

__all__ = ["Generations", "Manifest"]

KEEP = 3
"""Generations kept, the live one included, so that the last two can be returned to."""
COPY_BYTES = 1 << 22
T = TypeVar("T")


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a generation is."""

    schema: str
    created_at: datetime
    data_version: str
    passages: int


class Generations:
    """The generations under one folder. Any number of processes may read while one publishes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._current = root / "CURRENT"
        self._folder = root / "generations"
        self._staging = root / "staging"

    def current(self) -> str | None:
        """The name of the live generation, None before the first."""
        try:
            return self._current.read_text("utf-8").strip()
        except FileNotFoundError:
            return None

    def stamp(self) -> tuple[int, int] | None:
        """Changes with every switch; costs one `stat`."""
        try:
            status = self._current.stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns

    def shard(self, name: str) -> Path:
        return self._folder / name / "shard"

    def manifest(self, name: str) -> Manifest:
        return self._read(name, "manifest.json", Manifest)

    def points(self, name: str) -> dict[str, str]:
        """Fingerprint of every passage of a generation, by chunk id."""
        return self._read(name, "points.json", dict[str, str])

    def held(self) -> str | None:
        """The newest generation, when a rollback took it out of service; else None."""
        newest, live = self.names()[-1:], self.current()
        return newest[0] if newest and live is not None and newest[0] > live else None

    def names(self) -> list[str]:
        """All generations, oldest first."""
        return sorted(path.name for path in self._folder.iterdir()) if self._folder.is_dir() else []

    @contextlib.contextmanager
    def publishing(self) -> Generator[None]:
        """Holds the right to publish. What an interrupted publication left behind is removed first.

        Raises:
            PublishConflict: Another process or thread holds it.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "LOCK").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise PublishConflict(
                    f"Another process is publishing to {self.root}. Try again when it is done."
                ) from error
            shutil.rmtree(self._staging, ignore_errors=True)
            try:
                yield
            finally:
                shutil.rmtree(self._staging, ignore_errors=True)

    def stage(self, base: str | None) -> Path:
        """A folder for a new shard: a copy of generation `base`, or empty. Only while publishing."""
        shard = self._staging / "shard"
        if base is None:
            shard.mkdir(parents=True)
        else:
            shutil.copytree(self.shard(base), shard, copy_function=_copy_sparse)
        return shard

    def commit(self, manifest: Manifest, points: Mapping[str, str]) -> str:
        """Moves what was staged into place and makes it live. Returns its name. Only while publishing."""
        _write_durably(self._staging / "points.json", msgspec.json.encode(points))
        _write_durably(self._staging / "manifest.json", msgspec.json.encode(manifest))
        names = self.names()
        number = int(names[-1].split("-")[0]) + 1 if names else 1
        name = f"{number:06d}-{manifest.data_version[:8]}"
        self._folder.mkdir(exist_ok=True)
        self._staging.rename(self._folder / name)
        self._switch(name)
        self._prune(name)
        return name

    def rollback(self, to: str | None = None) -> str:
        """Makes the generation before the live one, or the named one, live again and returns its name.

        Raises:
            IndexUnavailable: There is none.
        """
        with self.publishing():
            current, names = self.current(), self.names()
            if to is not None:
                if to not in names:
                    raise IndexUnavailable(
                        f"{self.root} holds no generation {to}; it holds {', '.join(names) or 'none'}."
                    )
                self._switch(to)
                return to
            earlier = [name for name in names if current is not None and name < current]
            if not earlier:
                raise IndexUnavailable(f"{self.root} holds no generation earlier than {current} to go back to.")
            self._switch(earlier[-1])
            return earlier[-1]

    def _read(self, name: str, file: str, kind: type[T]) -> T:
        path = self._folder / name / file
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except (OSError, msgspec.MsgspecError) as error:
            raise ArtifactError(
                f"{file} of index generation {name} cannot be read: {error}. "
                f"Remove {self.root} and run `llm-twin materialize vector_index`; the vectors are kept elsewhere."
            ) from error

    def _switch(self, name: str) -> None:
        pending = self._current.with_suffix(".pending")
        _write_durably(pending, name.encode())
        pending.replace(self._current)

    def _prune(self, live: str) -> None:
        for name in self.names()[:-KEEP]:
            if name != live:
                shutil.rmtree(self._folder / name)


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _copy_sparse(source: str, target: str) -> None:
    """Copies a file without its holes: the engine allocates 32 MB files that hold a few hundred kB at first."""
    with Path(source).open("rb", buffering=0) as reading, Path(target).open("wb", buffering=0) as writing:
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
