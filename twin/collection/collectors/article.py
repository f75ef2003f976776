"""One web article by its URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twin.collection import text, urls, webpage
from twin.collection.base import Draft, failed, finish, refused
from twin.errors import CollectionError, SourceGone, SourceRefused
from twin.records import Document, Gone, Unchanged, Visit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.collection.base import Item
    from twin.collection.fetch import Fetched
    from twin.collection.session import Session
    from twin.records import Source

__all__ = ["ArticleCollector"]

VERSION = "article 1"
"""Changes when the same page gives another document."""


class ArticleCollector:
    """Fetches a page and keeps its main content, as markdown."""

    kind: Final = "article"
    rank: Final = 90
    complete: Final = True
    accepts = "the http(s) URL of an article"

    def recognise(self, location: str) -> str | None:
        return urls.canonical(location) if urls.is_web(location) else None

    def collect(self, source: Source, session: Session) -> Iterator[Item]:
        visit = session.memory.visit(source, source.location)
        known = visit.documents if visit else []
        reader = _reader(source)
        usable = visit if visit and visit.reader == reader and visit.documents else None
        try:
            fetched = session.fetcher.get(source.location, visit=usable)
            found = finish(_draft(fetched), source) if fetched else None
        except SourceGone as gone:
            yield from (Gone(url=url, reason=str(gone)) for url in known)
            if not known:  # more likely a mistyped URL than a document that was taken down
                yield failed(source.location, str(gone))
        except SourceRefused as refusal:
            yield refused(source.location, str(refusal))
        except CollectionError as failure:
            yield failed(source.location, str(failure))
        else:
            if fetched is None or found is None:
                yield from (Unchanged(url=url) for url in known)
                return
            yield found
            if isinstance(found, Document):
                yield Visit(
                    url=source.location,
                    reader=reader,
                    documents=[found.url],
                    etag=fetched.etag,
                    last_modified=fetched.last_modified,
                    digest=fetched.digest,
                )


def _reader(source: Source) -> str:
    """Names the source's author too, who is the document's where the page names none."""
    return f"{VERSION} {source.author or ''}".strip()


def _draft(fetched: Fetched) -> Draft:
    charset = fetched.charset or webpage.declared_charset(fetched.body)
    page = webpage.read(text.decode(fetched.body, charset), fetched.url)
    url = urls.page_location(fetched.url, page.canonical)
    return Draft(
        url=url,
        title=page.title or url,
        content=page.content,
        author=page.author,
        platform=urls.host(url),
        published_at=page.published_at,
        language=page.language,
    )


COLLECTOR = ArticleCollector()
