"""Which live documents came from what is withheld now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twin.records import document_id
from twin.warehouse import visits
from twin.warehouse.part import LIVE, pages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pymongo.database import Database

    from twin.records import Withheld
    from twin.warehouse.looks import Look

__all__ = ["documents"]

PAGE = 500


def documents(
    database: Database[dict[str, Any]], withheld: Sequence[tuple[Look, Withheld]]
) -> Iterator[tuple[Look, str, str, str]]:
    """The live documents that sources withhold now, each as the look, the document's id, its URL and the reason.

    A document lies at the withheld place itself or has another location, which the file at that place named when it
    was last read. Documents of other sources are left alone.
    """
    places: dict[str, dict[str, tuple[Look, str]]] = {}
    """Source id and document id to who withholds it and why."""
    for look, item in withheld:
        of = places.setdefault(look.id, {})
        urls = [item.url, *visits.given(database, look.id, item.url, below=item.below)]
        if item.below:
            urls += _below(database, look.id, item.url)
        of.update({document_id(url): (look, item.reason) for url in urls})
    for source_id, of in places.items():
        for page in pages(sorted(of), PAGE):
            wanted = {"_id": {"$in": page}, "source_id": source_id, **LIVE}
            for row in database["raw_documents"].find(wanted, {"url": 1}):
                look, reason = of[row["_id"]]
                yield look, row["_id"], row["url"], reason


def _below(database: Database[dict[str, Any]], source_id: str, folder: str) -> Iterator[str]:
    """The locations of a source's live documents in a folder."""
    live = database["raw_documents"].find({"source_id": source_id, **LIVE}, {"url": 1})
    return (row["url"] for row in live if row["url"].startswith(folder))
