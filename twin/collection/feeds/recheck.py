"""Looking again at articles that their feed does not show any more: they may be edited or taken down all the same.

A few of them each run, those whose last look is oldest first, each with one conditional request.
"""

from __future__ import annotations

import heapq
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from twin.collection.collector import finish
from twin.collection.faults import contained
from twin.collection.feeds.entries import Said, amend, said_in
from twin.collection.pages import webarticle
from twin.collection.refusals import failed
from twin.errors import CollectionError, SourceGone
from twin.records import Document, Gone, Unchanged, Visit, content_hash

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from twin.collection.collector import Item
    from twin.collection.session import Session
    from twin.records import Source

__all__ = ["RECHECKED", "recheck"]

RECHECKED = 10
"""Pages of one feed that are looked at again in a run."""
NEVER = datetime(1, 1, 1, tzinfo=UTC)


def recheck(source: Source, session: Session, shown: set[str]) -> Iterator[Item]:
    """What became of the articles that are not in `shown`, the places that the feed shows now."""
    reader = webarticle.reader_of(source)
    left = (
        visit
        for visit in session.memory.visits(source)
        if visit.documents
        and visit.url != source.location
        and visit.reader == reader
        and "#" not in visit.url
        and shown.isdisjoint(visit.documents)
        and visit.url not in shown
    )
    for visit in heapq.nsmallest(RECHECKED, left, key=_last_look):
        yield from contained(visit.documents[0], _look_again(visit, source, session))


def _last_look(visit: Visit) -> tuple[datetime, str]:
    return visit.checked_at or NEVER, visit.url


def _look_again(visit: Visit, source: Source, session: Session) -> Generator[Item]:
    said = said_in(visit)
    if said is None or not said.whole:
        known = said or Said(hash="")
        remembered = False
        for item in webarticle.refresh(
            visit.url, source, session, visit=visit, listed=visit.listed, amend=lambda draft: amend(draft, known)
        ):
            remembered = remembered or isinstance(item, Visit)
            yield item
        if not remembered:
            yield _once_more(visit)
        return
    yield from _compare_page(visit, said, source, session)


def _compare_page(visit: Visit, said: Said, source: Source, session: Session) -> Iterator[Item]:
    """For a document that came from the feed, what its page says is not quite the same text. So the page's own text is
    remembered at the first look, and the page takes over when that has changed."""
    try:
        fetched = session.fetcher.get(visit.url, visit=visit)
        draft = amend(webarticle.draft_of(fetched), said) if fetched else None
    except SourceGone as gone:
        yield from (Gone(url=url, reason=str(gone)) for url in visit.documents)
        return
    except CollectionError as failure:
        yield failed(visit.documents[0], f"it was looked at again: {failure}")
        yield _once_more(visit)
        return
    if fetched is None or draft is None:
        yield from (Unchanged(url=url) for url in visit.documents)
        return
    page = content_hash(draft.title, draft.content)
    listed = msgspec.structs.replace(said, page=page).listed
    if said.page in (None, page):
        yield from (Unchanged(url=url) for url in visit.documents)
        yield webarticle.visit_of(visit.url, fetched, visit.documents, source, listed)
        return
    draft.url = visit.documents[0]
    found = finish(draft, source, session)
    yield found
    if isinstance(found, Document):
        yield webarticle.visit_of(visit.url, fetched, [found.url], source, listed)


def _once_more(visit: Visit) -> Visit:
    """What is remembered of a look that failed: the same, and when it was, so that others are looked at next."""
    return msgspec.structs.replace(visit, checked_at=None)
