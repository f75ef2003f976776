"""What is remembered of each look at each place, so that the next look can ask whether it changed.

A visit is handed out only while every document that it stands for is live: what was removed in between, by whatever
way, is read again and not taken for unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from pymongo import ReplaceOne

from twin.records import Visit, document_id
from twin.warehouse.conversion import readable_row, storable_text, to_row
from twin.warehouse.part import LIVE, pages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from pymongo.database import Database

    from twin.records import Source

__all__ = ["all_of", "at_their_locations", "checked", "forget", "given", "givers", "read", "read_from", "write"]

PAGE = 500
FEW = 10
"""Visits of so many sources are read at once only where they name no more documents than this."""
MAX_BYTES = 12_000_000
"""MongoDB stores no document of more than 16 MB: a larger visit is not kept, and its place is read again."""


def read(database: Database[dict[str, Any]], source: Source, url: str) -> Visit | None:
    """The last look at a place, None before the first or when its documents are not all there any more."""
    row = database["visits"].find_one({"_id": _key(source.id, url)})
    return next((visit for _, visit in _standing(database, [row])), None) if row else None


def read_from(
    database: Database[dict[str, Any]], source: Source, url: str, limit: int
) -> tuple[list[Visit], str | None]:
    """The looks at a place and at those that follow, and the URL up to which that is all; None when none are left."""
    rows = list(database["visits"].find(_of(source, url)).sort("_id").limit(limit))
    last = rows[-1]["_id"].partition(" ")[2] if len(rows) == limit else None
    return [visit for _, visit in _standing(database, rows)], last


def at_their_locations(database: Database[dict[str, Any]], sources: Mapping[str, Source]) -> dict[str, Visit]:
    """The looks at the own locations of sources, by source id; only of those that gave few documents."""
    few = {f"documents.{FEW}": {"$exists": False}}
    keys = [_key(identity, source.location) for identity, source in sources.items()]
    rows = list(database["visits"].find({"_id": {"$in": keys}, **few}))
    return dict(_standing(database, rows))


def all_of(database: Database[dict[str, Any]], source: Source) -> Iterator[Visit]:
    """Every look at a source's places whose documents are there, in the order of their URLs."""
    for page in pages(database["visits"].find(_of(source), batch_size=PAGE).sort("_id"), PAGE):
        yield from (visit for _, visit in _standing(database, page))


def write(database: Database[dict[str, Any]], visits: Sequence[tuple[Source, Visit]], now: datetime) -> None:
    """Keeps looks, each replacing the last one at the same place. Call it once their documents are stored."""
    rows = [
        {**to_row(visit), "_id": _key(source.id, visit.url), "source_id": source.id, "checked_at": now}
        for source, visit in visits
        if _is_storable(visit)
    ]
    if rows:
        writes = [ReplaceOne({"_id": row["_id"]}, row, upsert=True) for row in rows]
        database["visits"].bulk_write(writes, ordered=False)


def checked(database: Database[dict[str, Any]], documents: Sequence[tuple[str, str]], now: datetime) -> None:
    """Notes that the places which gave documents, told as source id and URL, were found unchanged.

    Only places of one document: of a feed, one unchanged entry says nothing about the others.
    """
    sources = {source for source, _ in documents}
    urls = {url for _, url in documents}
    if urls:
        given = {"documents": {"$in": sorted(urls)}, "source_id": {"$in": sorted(sources)}}
        single = {"$expr": {"$eq": [{"$size": "$documents"}, 1]}}
        database["visits"].update_many({**given, **single}, {"$set": {"checked_at": now}})


def forget(database: Database[dict[str, Any]], documents: Iterable[tuple[str, str]]) -> None:
    """Forgets the looks that gave documents, told as source id and URL: the next run reads them again."""
    by_source: dict[str, list[str]] = {}
    for source, url in documents:
        by_source.setdefault(source, []).append(url)
    for source, urls in by_source.items():
        database["visits"].delete_many({"documents": {"$in": urls}, "source_id": source})


def givers(database: Database[dict[str, Any]], documents: Sequence[str], sources: Sequence[str]) -> dict[str, str]:
    """Which of some sources gave documents at their last look, by URL; those that none of them gave are left out."""
    given = {"documents": {"$in": list(documents)}, "source_id": {"$in": list(sources)}}
    wanted = set(documents)
    rows = database["visits"].find(given, {"documents": 1, "source_id": 1}).sort("_id")
    return {url: row["source_id"] for row in rows for url in row["documents"] if url in wanted}


def given(database: Database[dict[str, Any]], source_id: str, url: str, *, below: bool = False) -> list[str]:
    """The locations of the documents that the last look at a place gave; with `below`, at the places in that folder."""
    key = _key(source_id, url)
    place = {"$gte": key, "$lt": f"{key}\U0010ffff"} if below else key
    rows = database["visits"].find({"_id": place}, {"documents": 1})
    return [document for row in rows for document in row["documents"]]


def _standing(database: Database[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str, Visit]]:
    """The visits, each after its source's id, of whose documents none is missing."""
    found = [
        (row["_id"].partition(" ")[0], visit)
        for row in rows
        if (visit := readable_row({name: value for name, value in row.items() if name != "_id"}, Visit))
    ]
    ids = {document_id(url) for _, visit in found for url in visit.documents}
    live = set()
    for page in pages(sorted(ids), PAGE):
        live.update(row["_id"] for row in database["raw_documents"].find({**LIVE, "_id": {"$in": page}}, {"_id": 1}))
    for source, visit in found:
        if all(document_id(url) in live for url in visit.documents):
            yield source, visit


def _of(source: Source, url: str = "") -> dict[str, Any]:
    """The visits of a source, from a URL on."""
    return {"_id": {"$gte": _key(source.id, url), "$lt": f"{source.id}!"}}  # "!" comes right after the blank


def _key(source_id: str, url: str) -> str:
    return f"{source_id} {storable_text(url)}"


def _is_storable(visit: Visit) -> bool:
    try:
        return len(msgspec.json.encode(visit)) <= MAX_BYTES
    except UnicodeEncodeError:  # a header or a name that is no valid text
        return False
