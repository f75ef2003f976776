"""Generations of the index as folders: staged aside, moved into place, and made live by one atomic switch.

root/
  CURRENT                  the name of the live generation
  HELD                     the name of the newest one that a rollback took out of service
  LOCK                     held while publishing
  generations/000007-3fa9c2d1/
    manifest.json          what it is
    points.json            fingerprint of every passage in it, by chunk id
    shard/                 the engine's own files
  staging/                 at most one generation in the making
"""

from __future__ import annotations

import contextlib
import shutil
from datetime import datetime  # noqa: TC003 - msgspec reads the annotations
from pathlib import Path  # noqa: TC003 - idem
from typing import TYPE_CHECKING, TypeVar

import msgspec

from twin import disk, fencing
from twin.errors import IndexUnavailable, PublishConflict, UnknownName
from twin.features.index import files

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

__all__ = ["Generations", "Manifest"]

KEEP = 3
"""Generations kept, the live one included, so that the last two can be returned to."""
SPARE_BYTES = 64 << 20
"""Left free beside what a publication is expected to write."""
T = TypeVar("T")


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a generation is."""

    schema: str
    created_at: datetime
    data_version: str
    passages: int
    previous: str | None = None
    """The generation that was live before it."""
    files: dict[str, int] = {}
    """Size of every file of the shard, by its path there."""


class Generations:
    """The generations under one folder. Any number of processes may read while one publishes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._current = root / "CURRENT"
        self._held = root / "HELD"
        self._folder = root / "generations"
        self._staging = root / "staging"

    def current(self) -> str | None:
        """The name of the live generation, None before the first."""
        return _name_in(self._current)

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
        """What a generation is.

        Raises:
            IndexUnavailable: It cannot be read.
        """
        return self._read(name, "manifest.json", Manifest)

    def points(self, name: str) -> dict[str, str]:
        """Fingerprint of every passage of a generation, by chunk id.

        Raises:
            IndexUnavailable: They cannot be read.
        """
        return self._read(name, "points.json", dict[str, str])

    def names(self) -> list[str]:
        """All generations, oldest first."""
        return sorted(path.name for path in self._folder.iterdir()) if self._folder.is_dir() else []

    def held(self) -> str | None:
        """The newest generation that a rollback took out of service, until a newer one is live; else None.

        One that was moved into place by a publication that was killed, and never went live, is not.
        """
        held, live = _name_in(self._held), self.current()
        return held if held in self.names() and live is not None and held > live else None

    def damage(self, name: str) -> str | None:
        """What is wrong with the files of a generation as far as their sizes tell, or None."""
        try:
            return files.differing(self.shard(name), self.manifest(name).files)
        except IndexUnavailable as error:
            return error.message

    @contextlib.contextmanager
    def publishing(self) -> Generator[None]:
        """Holds the right to publish. What an interrupted publication left behind is removed first.

        Raises:
            PublishConflict: Another process or thread holds it.
            ArtifactError: The disk is full.
        """

        def refusal(holder: str) -> PublishConflict:
            return PublishConflict(f"Publishing to {self.root} is under way ({holder}). Try again when it is done.")

        with disk.try_lock(self.root / "LOCK", refusal):
            shutil.rmtree(self._staging, ignore_errors=True)
            try:
                with files.full_disk_explained(self.root):
                    yield
            finally:
                shutil.rmtree(self._staging, ignore_errors=True)

    def stage(self, base: str | None, *, room: int = 0) -> Path:
        """A folder for a new shard: a copy of generation `base`, or empty. Only while publishing.

        Args:
            room: Bytes that the new passages will take, about.

        Raises:
            ArtifactError: The disk has no room for it.
        """
        shard = self._staging / "shard"
        carried = [*self.manifest(base).files] if base else []
        held = files.allocated(self.shard(base), carried) if base else 0
        files.demand_space(self.root, held + room + SPARE_BYTES)
        shutil.rmtree(self._staging, ignore_errors=True)  # of an attempt that failed
        shard.mkdir(parents=True)
        if base:
            files.carry_over(self.shard(base), shard, carried)
        return shard

    def commit(self, manifest: Manifest, points: Mapping[str, str]) -> str:
        """Moves what was staged into place and makes it live. Returns its name. Only while publishing."""
        whole = msgspec.structs.replace(manifest, previous=self.current(), files=files.sizes(self._staging / "shard"))
        disk.write(self._staging / "points.json", msgspec.json.encode(points))
        disk.write(self._staging / "manifest.json", msgspec.json.encode(whole))
        disk.make_durable(self._staging)
        names = self.names()
        number = int(names[-1].split("-")[0]) + 1 if names else 1
        name = f"{number:06d}-{manifest.data_version[:8]}"
        self._folder.mkdir(exist_ok=True)
        self._staging.rename(self._folder / name)
        self.switch(name)
        self._prune(name)
        return name

    def rollback(self, to: str | None = None) -> str:
        """Makes the generation that was live before, or the named one, live again and returns its name.

        Raises:
            IndexUnavailable: There is no earlier one.
            UnknownName: There is none of that name.
        """
        with self.publishing():
            current, names = self.current(), self.names()
            if to is not None and to not in names:
                raise UnknownName(f"{self.root} holds no generation {to}; it holds {', '.join(names) or 'none'}.")
            chosen = to or (self._before(current) if current else None)
            if chosen is None:
                raise IndexUnavailable(f"{self.root} holds no generation earlier than {current} to go back to.")
            if current and chosen < current:
                disk.write(self._held, (self.held() or current).encode())
            self.switch(chosen)
            return chosen

    def switch(self, name: str) -> None:
        """Makes a generation live. Only while publishing."""
        fencing.check()
        disk.write(self._current, name.encode())
        disk.sync(self._folder)

    def _read(self, name: str, file: str, kind: type[T]) -> T:
        path = self._folder / name / file
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except (OSError, msgspec.MsgspecError) as error:
            raise IndexUnavailable(
                f"{file} of index generation {name} in {self.root} cannot be read: {error}. "
                "Run `llm-twin materialize vector_index`, which builds the index again from the stored vectors."
            ) from error

    def _before(self, name: str) -> str | None:
        """The generation that was live before another one, if it is kept."""
        with contextlib.suppress(IndexUnavailable):
            previous = self.manifest(name).previous
            return previous if previous in self.names() else None
        return max((other for other in self.names() if other < name), default=None)  # the best guess for a damaged one

    def _prune(self, live: str) -> None:
        """Removes all but the live generation and those that rollbacks would lead to.

        They leave their place whole: a removal that is cut short goes on with the next publication.
        """
        kept: list[str] = []
        name: str | None = live
        while name is not None and len(kept) < KEEP:
            kept.append(name)
            name = self._before(name)
        for other in self.names():
            if other not in kept:
                (self._folder / other).rename(self._staging)
                shutil.rmtree(self._staging)


def _name_in(file: Path) -> str | None:
    try:
        return file.read_text("utf-8").strip()
    except FileNotFoundError:
        return None
