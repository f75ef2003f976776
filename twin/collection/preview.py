"""What a look at sources would bring in and what it would not, and why; nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from twin.collection import Session
from twin.collection.events import Ended, Found
from twin.collection.scheduling import collect_all
from twin.errors import SourceRefused
from twin.records import Document, Rejected, Withheld, document_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from twin.collection.collector import Item
    from twin.records import Source
    from twin.settings import SourceSettings

__all__ = ["STATES", "Prospect", "preview"]

State = Literal["new", "changed", "unchanged", "withheld", "refused", "failed"]
STATES: tuple[State, ...] = ("new", "changed", "unchanged", "withheld", "refused", "failed")
"""In the order in which they are shown."""


class Prospect(msgspec.Struct, frozen=True, kw_only=True):
    """One document, file or folder, and what would become of it."""

    source: str
    url: str
    state: State
    reason: str | None = None
    title: str | None = None
    author: str | None = None
    characters: int = 0
    left_out: dict[str, int] = {}
    """Pieces of each kind that would not come in."""
    is_held: bool = False
    """Whether the twin has a document at this place; one that is withheld would be removed."""


def preview(
    sources: Collection[Source], settings: SourceSettings, held: Mapping[str, str], *, inbox: Path | None = None
) -> Iterator[Prospect]:
    """What `sources` show now, each looked at afresh. `held` has `Document.hash` of what the twin has, by id."""
    with Session(settings, inbox=inbox) as session:
        for event in collect_all(sources, session):
            if isinstance(event, Found):
                if prospect := _prospect(event.source, event.item, held):
                    yield prospect
            elif isinstance(event, Ended) and event.error:
                url, reason = event.source.location, event.error.message
                state = "refused" if isinstance(event.error, SourceRefused) else "failed"
                yield Prospect(source=event.source.location, url=url, state=state, reason=reason)


def _prospect(source: Source, item: Item, held: Mapping[str, str]) -> Prospect | None:
    match item:
        case Document():
            before = held.get(item.id)
            return Prospect(
                source=source.location,
                url=item.url,
                state="new" if before is None else "unchanged" if before == item.hash else "changed",
                title=item.title,
                author=item.author,
                characters=len(item.content),
                left_out=item.left_out,
                is_held=before is not None,
            )
        case Withheld():
            is_held = document_id(item.url) in held
            return Prospect(source=source.location, url=item.url, state="withheld", reason=item.reason, is_held=is_held)
        case Rejected():
            state = "refused" if item.refused else "failed"
            return Prospect(source=source.location, url=item.url, state=state, reason=item.reason)
    return None
