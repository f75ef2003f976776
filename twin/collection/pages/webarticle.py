"""One page of the web as a document: asked for, read, and remembered for the next look.

Used for an article that is a source itself, and for the pages that a feed or a sitemap names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from twin.collection.collector import Draft, finish
from twin.collection.faults import contained
from twin.collection.pages import webpage
from twin.collection.refusals import failed, refused
from twin.collection.web import platforms, urls
from twin.errors import SourceGone
from twin.records import Gone, Rejected, Unchanged, Visit
from twin.text import decoding

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from twin.collection.collector import Item
    from twin.collection.session import Session
    from twin.collection.web.fetch import Fetched
    from twin.records import Source

__all__ = ["as_before", "draft_of", "is_usable", "reader_of", "refresh", "visit_of"]


def reader_of(source: Source) -> str:
    """What a `Visit` of a page names as its reader: the code, and the author where the page names none."""
    return f"{webpage.VERSION} {source.author or ''}".strip()


def is_usable(visit: Visit, source: Source, session: Session) -> bool:
    """Whether a page that is as it was at `visit` would give the same again."""
    return visit.reader == (reader_of(source) if visit.documents else _reader_of_nothing(source, session))


def as_before(visit: Visit) -> Iterator[Item]:
    """What a page gives that is as it was at `visit`."""
    yield from (Unchanged(url=url) for url in visit.documents)
    if not visit.documents:
        yield refused(visit.url, "there was no article in it at the last look, and it has not changed since")


def _reader_of_nothing(source: Source, session: Session) -> str:
    """What reads a page in which nothing was found: with a browser, something might be."""
    return f"{reader_of(source)} / nothing, browser {session.settings.browser}"


def draft_of(fetched: Fetched) -> Draft:
    """The document in a page that was fetched.

    Raises:
        SourceFailed: It is not HTML, or nothing in it reads like an article.
        SourceRefused: It is no text.
    """
    charset = fetched.charset or webpage.declared_charset(fetched.body)
    page = webpage.read(decoding.decode(fetched.body, charset), fetched.url)
    url = urls.page_location(fetched.url, page.canonical)
    return Draft(
        url=url,
        title=page.title or url,
        content=page.content,
        author=page.author,
        platform=platforms.platform_of(url),
        published_at=page.published_at,
        language=page.language,
        markup="page",
    )


def _read(fetched: Fetched, session: Session) -> tuple[Draft, Fetched]:
    """The document in a page and the page that it is in: what was fetched, or what its scripts made of it."""
    try:
        return draft_of(fetched), fetched
    except webpage.NoArticle as nothing:
        if session.browser is None:
            raise webpage.NoArticle(f"{nothing}. COLLECTION_BROWSER=auto would show it in a browser") from None
        rendered = session.browser.render(fetched)
        return draft_of(rendered), rendered


def visit_of(location: str, fetched: Fetched, documents: list[str], source: Source, listed: str | None = None) -> Visit:
    """What is remembered of a page that gave documents."""
    return Visit(
        url=location,
        reader=reader_of(source),
        documents=documents,
        etag=fetched.etag,
        last_modified=fetched.last_modified,
        digest=fetched.digest,
        listed=listed,
    )


def _visit_of_nothing(location: str, fetched: Fetched, source: Source, session: Session, listed: str | None) -> Visit:
    visit = visit_of(location, fetched, [], source, listed)
    return msgspec.structs.replace(visit, reader=_reader_of_nothing(source, session))


def refresh(
    location: str,
    source: Source,
    session: Session,
    *,
    visit: Visit | None,
    listed: str | None = None,
    amend: Callable[[Draft], Draft] | None = None,
) -> Iterator[Item]:
    """What the page at `location` gives, asked for only if it changed since `visit`.

    Args:
        location: Canonical URL of the page.
        source: Whose page it is.
        session: The run.
        visit: The last look at the page, None to read it anew.
        listed: What the place that lists the page says of it, kept for `Visit.listed`.
        amend: Puts what that place knows better into the document.
    """
    return contained(_place(location, visit), _refresh(location, source, session, visit, listed, amend))


def _place(location: str, visit: Visit | None) -> str:
    """What a failure is told of: the document that is held, so that it is not missed."""
    return visit.documents[0] if visit and visit.documents else location


def _refresh(
    location: str,
    source: Source,
    session: Session,
    visit: Visit | None,
    listed: str | None,
    amend: Callable[[Draft], Draft] | None,
) -> Generator[Item]:
    known = visit.documents if visit else []
    place = _place(location, visit)
    fetched = None
    try:
        fetched = session.fetcher.get(location, visit=visit if visit and is_usable(visit, source, session) else None)
        if fetched is None:
            if visit:
                yield from as_before(visit)
                yield msgspec.structs.replace(visit, listed=listed, checked_at=None)
            return
        draft, fetched = _read(fetched, session)
    except SourceGone as gone:
        yield from (Gone(url=url, reason=str(gone)) for url in known)
        if not known:  # more likely a mistyped URL than a document that was taken down
            yield failed(location, str(gone))
    except webpage.NoArticle as nothing:
        yield failed(place, str(nothing))
        if fetched and not known:
            yield _visit_of_nothing(location, fetched, source, session, listed)
    else:
        found = finish(amend(draft) if amend else draft, source, session)
        if not isinstance(found, Rejected):
            yield found
            yield visit_of(location, fetched, [found.url], source, listed)
            return
        yield msgspec.structs.replace(found, url=place)
        if not known:
            yield _visit_of_nothing(location, fetched, source, session, listed)
