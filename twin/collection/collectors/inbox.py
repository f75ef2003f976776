"""What came through standard input: a text or documents in JSON, kept in the inbox of the twin's home."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from twin.collection.collectors import folder, json, jsonl
from twin.collection.files import formats, inbox, stamps
from twin.collection.session import Session
from twin.errors import SourceFailed
from twin.records import Document, Rejected, Unchanged, Visit, Withheld, document_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from twin.collection.collector import Item
    from twin.records import Source

__all__ = ["InboxCollector"]

READER = f"inbox/1 {formats.VERSION} {json.READER} {jsonl.READER}"
READERS = {".md": folder.COLLECTOR, ".json": json.COLLECTOR, ".jsonl": jsonl.COLLECTOR}


class InboxCollector:
    """Reads a file by its ending as the other collectors do, and gives its documents a location without a path, so
    that they are the same wherever the home is. The file bears the hash of its content: it is read once."""

    kind: Final = "inbox"
    rank: Final = 5
    complete: Final = True
    accepts = "- for standard input"

    def recognise(self, location: str) -> str | None:
        return location if inbox.name_in(location) else None

    def collect(self, source: Source, session: Session) -> Iterator[Item]:
        name = inbox.name_in(source.location)
        path = session.inbox / name if session.inbox and name else None
        if path is None or not path.is_file():
            raise SourceFailed(
                f"{source.location}, which came through standard input, is not in {session.inbox}: bring the folder "
                f"back, or give the text up with `llm-twin sources remove {source.location}`."
            )
        reader = stamps.reader_of(READER, source, session.settings)
        last = session.memory.visit(source, source.location)
        if last and last.reader == reader:
            yield Unchanged()
            return
        documents, settled = [], True
        for item in _read(path, source, session):
            settled = settled and stamps.until_of(item) is None
            if isinstance(item, Document):
                documents.append(item.url)
            yield item
        if settled:
            listed = documents if len(documents) <= stamps.LISTED_DOCUMENTS else []
            yield Visit(url=source.location, reader=reader, documents=listed)


def _read(path: Path, source: Source, session: Session) -> Iterator[Document | Withheld | Rejected]:
    """What is in the file, located in the inbox."""
    collector = READERS[path.suffix]
    file = msgspec.structs.replace(source, kind=collector.kind, location=str(path))
    place = path.as_uri()
    with Session(session.settings, clock=session.clock) as alone:
        for item in collector.collect(file, alone):
            if not isinstance(item, Document | Withheld | Rejected):
                continue
            url = source.location + item.url.removeprefix(place) if item.url.startswith(place) else item.url
            if isinstance(item, Document):
                yield msgspec.structs.replace(item, url=url, id=document_id(url), source_id=source.id)
            else:
                yield msgspec.structs.replace(item, url=url)


COLLECTOR = InboxCollector()
