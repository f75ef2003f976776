"""A zip or tar file with documents: exports of Notion, Obsidian vaults, Google Docs, or anybody's folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from twin.collection.collector import finish
from twin.collection.collectors.folder import as_path
from twin.collection.exports import archives, export_files, obsidian, substack
from twin.collection.faults import attempt
from twin.collection.files import formats, stamps
from twin.collection.withheld import patterns
from twin.errors import SourceFailed
from twin.records import Withheld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import PurePosixPath

    from twin.collection.collector import Item
    from twin.collection.exports.archives import Member
    from twin.collection.session import Session
    from twin.records import Source

__all__ = ["ArchiveCollector"]

READER = f"archive/2 {formats.VERSION}"
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
        reader = f"{READER} {patterns.fingerprint(source)}"
        return stamps.unless_unchanged(source, session, reader, [path], read, may_heal=True)


def _read(path: Path, source: Source, session: Session) -> Iterator[Item]:
    is_vault = False
    excluded: list[tuple[PurePosixPath, str]] = []

    def wanted(entry: PurePosixPath) -> bool:
        nonlocal is_vault
        is_vault = is_vault or obsidian.SIGN in entry.parts
        if not _is_document(entry):
            return entry.name == substack.TABLE
        if reason := patterns.why_excluded(source, entry):
            excluded.append((entry, reason))
        return not reason

    with export_files.opened(path, wanted, member_bytes=session.settings.max_bytes) as export:
        yield from export.rejections()
        yield from (Withheld(url=export.place(entry), reason=reason) for entry, reason in excluded)
        tables = export.named(lambda entry: entry.name == substack.TABLE)
        unpublished = {
            table.path.parent / substack.FOLDER / f"{name}.html"
            for table in tables
            for name in substack.unpublished(export_files.read(table, session.settings.max_bytes))
        }
        documents = [member for member in export.members if member not in tables]
        for member in documents:
            said: dict[str, object] = {"published": False} if member.path in unpublished else {}
            place = export.place(member.path)
            yield attempt(place, partial(_document, member, place, source, session, vault=is_vault, said=said))
        if not documents and not excluded:
            raise SourceFailed(
                f"{path} has no documents. Files that are read end in {', '.join(sorted(formats.ENDINGS))}."
            )


def _is_document(entry: PurePosixPath) -> bool:
    if any(part.startswith(".") or part in NOT_ITS_OWN for part in entry.parts):
        return False
    return entry.suffix.lower() in formats.ENDINGS


def _document(
    member: Member, url: str, source: Source, session: Session, *, vault: bool, said: dict[str, object]
) -> Item:
    data = export_files.read(member, session.settings.max_bytes)
    draft = formats.read_draft(data, member.path, url, vault=vault)
    draft.path, draft.said = member.path, {**draft.said, **said}
    return finish(draft, source, session)


COLLECTOR = ArchiveCollector()
