"""One web article by its URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twin.collection.pages import webarticle
from twin.collection.web import urls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.collection.collector import Item
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
        visit = session.memory.visit(source, source.location)
        yield from webarticle.refresh(source.location, source, session, visit=visit)


COLLECTOR = ArticleCollector()
