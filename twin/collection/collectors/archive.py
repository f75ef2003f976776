"""A zip or tar file with documents: exports of Notion, Obsidian vaults, Google Docs, or anybody's folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from twin.collection.collector import failed, finish, refused
from twin.collection.collectors.folder import as_path
from twin.collection.exports import archives, export_files, obsidian
from twin.collection.files import formats, stamps
from twin.errors import CollectionError, SourceFailed, SourceRefused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import PurePosixPath

    from twin.collection.collector import Item
    from twin.collection.exports.archives import Member
    from twin.collection.session import Session
    from twin.records import Source

__all__ = ["ArchiveCollector"]

READER = f"archive/1 {formats.VERSION}"
NOT_ITS_OWN = frozenset({"__MACOSX"})


class ArchiveCollector:
    """Reads the documents of an archive, and of archives in it. Other files in it are passed over."""

    kind: Final = "archive"
    rank: Final = 25
    complete: Final = True
    accepts = f"an archive of documents ending in {', '.join(archives.ENDINGS)}"

    def recognise(self, location: str) -> str | None:
        path = as_path(location)
        return str(path) if path and path.is_file() and archives.is_archive(path.name) else None

    def collect(self, source: Source, session: Session) -> Iterator[Item]:
        path = Path(source.location)
        read = partial(_read, path, source, session)
        return stamps.unless_unchanged(source, session, READER, [path], read, may_heal=True)


def _read(path: Path, source: Source, session: Session) -> Iterator[Item]:
    is_vault = False

    def wanted(entry: PurePosixPath) -> bool:
        nonlocal is_vault
        is_vault = is_vault or obsidian.SIGN in entry.parts
        return _is_document(entry)

    max_bytes = session.settings.max_bytes
    with export_files.opened(path, wanted, member_bytes=max_bytes) as export:
        yield from export.rejections()
        for member in export.members:
            yield _document(member, export.place(member.path), source, max_bytes, vault=is_vault)
        if not export.members:
            raise SourceFailed(
                f"{path} has no documents. Files that are read end in {', '.join(sorted(formats.ENDINGS))}."
            )


def _is_document(entry: PurePosixPath) -> bool:
    if any(part.startswith(".") or part in NOT_ITS_OWN for part in entry.parts):
        return False
    return entry.suffix.lower() in formats.ENDINGS


def _document(member: Member, url: str, source: Source, max_bytes: int, *, vault: bool) -> Item:
    try:
        draft = formats.read_draft(export_files.read(member, max_bytes), member.path, url, vault=vault)
    except SourceRefused as refusal:
        return refused(url, str(refusal))
    except CollectionError as failure:
        return failed(url, str(failure))
    return finish(draft, source)


COLLECTOR = ArchiveCollector()
