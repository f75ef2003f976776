"""One web article by its URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twin.collection import fetch, text, urls, webpage
from twin.collection.base import Draft, failed, finish, refused
from twin.errors import CollectionError, SourceRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.records import Document, Rejected, Source
    from twin.settings import SourceSettings

__all__ = ["ArticleCollector"]


class ArticleCollector:
    """Fetches a page and keeps its main content, as markdown."""

    kind: Final = "article"
    accepts = "the http(s) URL of an article"

    def recognise(self, location: str) -> str | None:
        return urls.canonical(location) if urls.is_web(location) else None

    def collect(self, source: Source, settings: SourceSettings) -> Iterator[Document | Rejected]:
        try:
            draft = _read_draft(source.location, settings)
        except SourceRefused as refusal:
            yield refused(source.location, str(refusal))
        except CollectionError as failure:
            yield failed(source.location, str(failure))
        else:
            yield finish(draft, source)


def _read_draft(location: str, settings: SourceSettings) -> Draft:
    fetched = fetch.fetch_html(location, settings)
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
