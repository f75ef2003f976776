"""A folder of markdown, HTML, text, PDF and Word files, or one such file; Notion's and Obsidian's among them."""

from __future__ import annotations

import os
import stat
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from twin.collection.collector import finish
from twin.collection.exports import obsidian, substack
from twin.collection.faults import contained
from twin.collection.files import formats, stamps
from twin.collection.refusals import too_large
from twin.collection.withheld import patterns
from twin.errors import SourceFailed, SourceRefused
from twin.records import Document, Unchanged, Visit, Withheld

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from twin.collection.collector import Draft, Item
    from twin.collection.session import Session
    from twin.records import Source

__all__ = ["FolderCollector", "as_path"]


class FolderCollector:
    """Walks a folder in the order of names. Hidden names, images and the like are passed over; symbolic links are not
    followed. A file that is as at the last look, by size, time and inode, is not opened."""

    kind: Final = "folder"
    rank: Final = 30
    complete: Final = True
    accepts = f"a folder, or one file ending in {', '.join(sorted(formats.ENDINGS))}"

    def recognise(self, location: str) -> str | None:
        path = as_path(location)
        if path is None:
            return None
        if path.is_dir() or (path.is_file() and path.suffix.lower() in formats.ENDINGS):
            return str(path)
        return None

    def collect(self, source: Source, session: Session) -> Iterator[Item]:
        root = Path(source.location)
        if root.is_file():
            vault = any(obsidian.is_vault(folder) for folder in root.parents)
            only = _collect_file(root, Path(root.name), source, session, vault=vault)
            yield from contained(root.as_uri(), only)
            return
        if not root.is_dir():
            raise SourceFailed(f"{root} does not exist: check the path, or remove this source.")
        collect = partial(_collect_file, source=source, session=session, vault=obsidian.is_vault(root))
        empty = True
        closed: list[Path] = []
        for found in _walk(root, source, closed):
            empty = False
            if isinstance(found, Withheld):
                yield found
            else:
                yield from contained(found.as_uri(), collect(found, found.relative_to(root)))
        if closed:
            # Raised, so that what is in there is not taken for vanished
            raise SourceFailed(f"{len(closed)} folders cannot be opened, one is {closed[0]}: check who may read them.")
        if empty:
            endings = ", ".join(sorted(formats.ENDINGS))
            raise SourceFailed(f"{root} has no documents. Files that are read end in {endings}.")


def as_path(location: str) -> Path | None:
    """The absolute path that a location names, a `file:` URL included; None for any other URL or for nothing."""
    if not location or "\0" in location:
        return None
    if location.lower().startswith("file://"):
        parts = urlsplit(location)
        if parts.netloc not in ("", "localhost"):
            return None
        location = url2pathname(parts.path)
    elif "://" in location:
        return None
    try:
        return Path(location).expanduser().resolve()
    except (OSError, RuntimeError, ValueError):  # a name that the system takes for none, or a home that is not known
        return None


def _walk(root: Path, source: Source, closed: list[Path]) -> Iterator[Path | Withheld]:
    """The files under a folder that may be documents, depth first, in the order of names, and what the source's
    patterns exclude; adds folders that cannot be opened to `closed`."""
    waiting: list[tuple[Path, bool]] = [(root, True)]
    while waiting:
        path, is_folder = waiting.pop()
        within = path.relative_to(root)
        if not is_folder:
            reason = patterns.why_excluded(source, within)
            yield Withheld(url=path.as_uri(), reason=reason) if reason else path
            continue
        if path != root and (reason := patterns.why_folder_excluded(source, within)):
            yield Withheld(url=f"{path.as_uri()}/", reason=reason, below=True)
            continue
        try:
            with os.scandir(path) as entries:
                visible = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError:
            closed.append(path)
            continue
        visible.sort(key=_name, reverse=True)  # what is added last is taken first
        found = [(Path(entry.path), entry.is_dir(follow_symlinks=False)) for entry in visible]
        waiting += [(path, is_folder) for path, is_folder in found if is_folder or not formats.is_passed_over(path)]


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _collect_file(path: Path, within: Path, source: Source, session: Session, *, vault: bool) -> Generator[Item]:
    """One file's document, and what is to be remembered of it. `within`: where it lies in the source."""
    url = path.as_uri()
    unpublished = substack.is_post(path) and path.stem in _unpublished(path.parent.parent)
    signs = f"{' vault' if vault else ''}{' unpublished' if unpublished else ''}"
    reader = stamps.reader_of(f"{formats.VERSION}{signs}", source, session.settings)
    before = _look_at(path)
    last = session.memory.visit(source, url)
    if last and (last.reader, last.digest) == (reader, stamps.stamp(before)):
        yield from (Unchanged(url=document) for document in last.documents)
        return
    draft = _read_draft(path, url, session.settings.max_bytes, vault=vault)
    if stamps.stamp(path.lstat()) != stamps.stamp(before):
        raise SourceFailed("it changed while it was read: the next ingest reads it again")
    draft.path = within
    if unpublished:
        draft.said = {**draft.said, "published": False}
    outcome = finish(draft, source, session)
    yield outcome
    if isinstance(outcome, Document) and stamps.is_settled(before, session.clock()):
        until = stamps.until_of(outcome)
        yield Visit(url=url, reader=reader, documents=[outcome.url], digest=stamps.stamp(before), until=until)


def _unpublished(folder: Path) -> frozenset[str]:
    """The posts of a Substack export in a folder that were never published."""
    try:
        found = _look_at(folder / substack.TABLE)
    except (OSError, SourceRefused):
        return frozenset()
    return _in_table(folder / substack.TABLE, stamps.stamp(found))


@lru_cache(maxsize=8)
def _in_table(table: Path, _stamp: str) -> frozenset[str]:
    try:
        return substack.unpublished(table.read_bytes())
    except OSError:
        return frozenset()


def _look_at(path: Path) -> os.stat_result:
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise SourceRefused("it is a symbolic link: add what it points to as a source of its own")
    if not stat.S_ISREG(found.st_mode):
        raise SourceRefused("it is not a regular file")
    return found


def _read_draft(path: Path, url: str, max_bytes: int, *, vault: bool) -> Draft:
    # Before it is read: what is no document need not be opened
    data = _read_bytes(path, max_bytes) if path.suffix.lower() in formats.ENDINGS else b""
    return formats.read_draft(data, path, url, vault=vault)


def _read_bytes(path: Path, max_bytes: int) -> bytes:
    with os.fdopen(_open_regular_file(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise SourceRefused(too_large(size, max_bytes))
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:  # it grew while it was read
        raise SourceRefused(too_large(None, max_bytes))
    return data


def _open_regular_file(path: Path) -> int:
    """Opens without waiting for the other end of a pipe, and takes nothing but a regular file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SourceRefused("it is not a regular file")
    return descriptor


COLLECTOR = FolderCollector()
