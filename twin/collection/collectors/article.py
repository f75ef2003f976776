"""One web article by its URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twin.collection import text, urls, webpage
from twin.collection.base import Draft, failed, finish, refused
from twin.errors import CollectionError, SourceRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.collection.base import Item
    from twin.collection.session import Session
    from twin.records import Source

__all__ = ["ArticleCollector"]


class ArticleCollector:
    """Fetches a page and keeps its main content, as markdown."""

    kind: Final = "article"
    rank: Final = 90
    complete: Final = True
    accepts = "the http(s) URL of an article"

    def recognise(self, location: str) -> str | None:
        return urls.canonical(location) if urls.is_web(location) else None

    def collect(self, source: Source, session: Session) -> Iterator[Item]:
        try:
            draft = _read_draft(source.location, session)
        except SourceRefused as refusal:
            yield refused(source.location, str(refusal))
        except CollectionError as failure:
            yield failed(source.location, str(failure))
        else:
            yield finish(draft, source)


def _read_draft(location: str, session: Session) -> Draft:
    fetched = session.fetcher.get(location)
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
