"""What a collector is, and the one place where what it found becomes a document or a rejection."""

from __future__ import annotations

from collections import Counter
from datetime import datetime  # noqa: TC003 - msgspec needs it at run time
from pathlib import PurePath  # noqa: TC003 - likewise
from typing import TYPE_CHECKING, Protocol, TypeAlias

import msgspec

from twin.collection.refusals import refused
from twin.collection.withheld import marks
from twin.collection.withheld.pieces import Markup, without_pieces
from twin.records import Document, Gone, Rejected, Unchanged, Visit, Withheld, document_id
from twin.text.headings import first_heading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from twin.collection.session import Session
    from twin.records import DocumentKind, Source

__all__ = ["Collector", "Draft", "Item", "finish"]

Item: TypeAlias = Document | Rejected | Withheld | Gone | Unchanged | Visit
"""What a collector gives. A `Visit` follows the documents that it stands for: it is kept when they are."""


class Collector(Protocol):
    """One kind of source. Stateless: a collector can be used for any number of sources, from any thread."""

    @property
    def kind(self) -> str:
        """What `Source.kind` says."""
        ...

    @property
    def rank(self) -> int:
        """Collectors are asked in this order, the lowest first: the more particular a location, the lower."""
        ...

    @property
    def complete(self) -> bool:
        """Whether what it gives is all that the source has, so that what is missing there has vanished."""
        ...

    @property
    def accepts(self) -> str:
        """The locations it takes, in words, for error messages."""
        ...

    def recognise(self, location: str) -> str | None:
        """The canonical form of `location` when it is of this kind, else None."""
        ...

    def collect(self, source: Source, session: Session) -> Iterator[Item]:
        """See `twin.collection.collect`."""
        ...


class Draft(msgspec.Struct, kw_only=True):
    """What a collector found, before it is known whether it makes a document."""

    url: str
    """The canonical location; the document's id comes from it."""
    title: str | None
    """None where it says none: then it is the first heading for readers, else `name`."""
    content: str
    name: str = ""
    author: str | None = None
    kind: DocumentKind = "article"
    platform: str = "file"
    published_at: datetime | None = None
    language: str | None = None
    markup: Markup = "markdown"
    """How the content is written, which tells what in it is not for readers."""
    said: Mapping[str, object] = {}
    """What it says of itself by name, such as its front matter: whether it is a draft or private, and until when."""
    path: PurePath | None = None
    """Where it lies in its source, where it is a file."""
    left_out: dict[str, int] = {}
    """Pieces that are not for readers and that the reader of its form has left out already."""


def finish(draft: Draft, source: Source, session: Session) -> Document | Rejected | Withheld:
    """The document that `draft` makes, without the pieces of it that are not for readers; or why it makes none."""
    drafts = source.include_drafts or session.settings.include_drafts
    verdict = marks.judge(draft.said, draft.path, session.clock(), drafts=drafts)
    if verdict.reason:
        return Withheld(url=draft.url, reason=verdict.reason, until=verdict.until)
    content, left_out = without_pieces(draft.content, draft.markup)
    if not content.strip():
        if left_out:
            return Withheld(url=draft.url, reason=f"nothing in it is for readers: it is all {', '.join(left_out)}")
        return refused(draft.url, "it has no text")
    author = draft.author or source.author
    if not author:
        return refused(draft.url, "it does not say who wrote it: name the author with --author")
    try:
        identity = document_id(draft.url)
    except UnicodeEncodeError as error:
        return refused(draft.url, f"its location is not valid Unicode: {error.reason}")
    return Document(
        id=identity,
        url=draft.url,
        source_id=source.id,
        author=author,
        title=" ".join((draft.title or first_heading(content) or draft.name).split()) or draft.url,
        content=content,
        kind=draft.kind,
        platform=draft.platform,
        published_at=draft.published_at,
        language=draft.language,
        left_out=dict(Counter(left_out) + Counter(draft.left_out)),
        expires_at=verdict.until,
    )
