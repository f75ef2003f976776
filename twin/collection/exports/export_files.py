"""The files of an export, whether it lies there as a folder, as an archive, or as one file of it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

from twin.collection.exports import archives
from twin.collection.exports.archives import Limits, Member, Refusal
from twin.collection.refusals import too_large
from twin.errors import SourceFailed, SourceRefused
from twin.records import Rejected

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from twin.collection.collector import Item

__all__ = ["FILE_FACTOR", "Export", "files_of", "names_of", "opened", "read"]

FILE_FACTOR = 20
"""One file of an export holds many documents: it may be this many times what one document may."""
MAX_FILES = 200_000


class Export:
    """The wanted files of an export, by path, and what was not taken of it. Valid within `opened`."""

    def __init__(self, location: Path, found: Iterator[Member | Refusal]) -> None:
        self.url = location.as_uri()
        self.members: list[Member] = []
        self.refusals: list[Refusal] = []
        for each in found:
            if isinstance(each, Member):
                self.members.append(each)
            else:
                self.refusals.append(each)
        self.members.sort(key=lambda member: member.path)

    def named(self, matches: Callable[[PurePosixPath], object]) -> list[Member]:
        """The files whose path within the export matches, in the order of their paths."""
        return [member for member in self.members if matches(member.path)]

    def place(self, path: PurePosixPath | str) -> str:
        """The location of a file of the export."""
        return f"{self.url}#{quote(os.fsencode(str(path)))}"

    def rejections(self) -> Iterator[Item]:
        """What was not taken, with its reasons."""
        for refusal in self.refusals:
            yield Rejected(url=self.place(refusal.name), reason=refusal.reason, refused=refusal.refused)


@contextlib.contextmanager
def opened(location: Path, wanted: Callable[[PurePosixPath], bool], *, member_bytes: int) -> Generator[Export]:
    """The files of the export at `location` that are wanted. An archive is unpacked to a scratch folder meanwhile.

    Raises:
        SourceFailed: It is not there, has a folder that cannot be opened, or is an archive that cannot be read.
        SourceRefused: It is an archive that unpacks to too much.
    """
    with tempfile.TemporaryDirectory(prefix="llm-twin-export-") as scratch:
        if location.is_dir():
            found = _walk(location, wanted)
        elif not location.is_file():
            raise SourceFailed(f"{location} does not exist: check the path, or remove this source.")
        elif archives.is_archive(location.name):
            found = archives.unpack(location, wanted, Path(scratch), Limits(member_bytes=member_bytes))
        else:
            found = iter([Member(path=PurePosixPath(location.name), place=location)])
        yield Export(location, found)


def read(member: Member, max_bytes: int) -> bytes:
    """The bytes of a file of an export.

    Raises:
        SourceRefused: It is too large.
        SourceFailed: It cannot be read.
    """
    try:
        with member.place.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise SourceFailed(f"it cannot be read: {error.strerror or error}") from None
    if len(data) > max_bytes:
        raise SourceRefused(too_large(None, max_bytes))
    return data


def files_of(location: Path, wanted: Callable[[PurePosixPath], bool]) -> list[Path]:
    """The files whose state decides whether an export is as it was: the archive, or the wanted files of a folder."""
    return [member.place for member in _walk(location, wanted)] if location.is_dir() else [location]


def names_of(location: Path) -> list[str]:
    """The names of a zip file's entries, with and without the one folder that all of them may be in; of a folder, the
    paths of its files two levels deep."""
    if location.is_dir():
        found = _walk(location, lambda _: True, depth=2, incomplete=lambda _: None)
        return [str(member.path) for member in found]
    names = archives.names(location)
    roots = {name.partition("/")[0] for name in names if "/" in name}
    if len(roots) == 1 and all("/" in name for name in names):
        names += [name.partition("/")[2] for name in names]
    return names


def _fail(reason: str) -> None:
    """So that what was not seen is not taken for vanished."""
    raise SourceFailed(reason)


def _walk(
    root: Path,
    wanted: Callable[[PurePosixPath], bool],
    *,
    depth: int = 20,
    incomplete: Callable[[str], None] = _fail,
) -> Iterator[Member]:
    """The wanted files of a folder; `incomplete` is told why these are not all."""
    waiting = [PurePosixPath()]
    count = 0
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(root / folder) as entries:
                found = sorted(
                    (entry.name, entry.is_dir(follow_symlinks=False), entry.is_file(follow_symlinks=False))
                    for entry in entries
                )
        except OSError as error:
            incomplete(f"{root / folder} cannot be opened: {error.strerror or error}.")
            continue
        for name, is_folder, is_file in found:
            path = folder / name
            count += 1
            if count > MAX_FILES:
                incomplete(f"{root} has more than {MAX_FILES:,} files: add its folders one by one.")
                return
            if is_folder and len(path.parts) < depth:
                waiting.append(path)
            elif is_file and wanted(path):
                yield Member(path=path, place=root / path)
