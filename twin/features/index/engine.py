"""Qdrant's engine in this process, as the index uses it: one shard, its updates, and its answers."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from twin.errors import IndexUnavailable
from twin.features.index import points

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from qdrant_edge import EdgeConfig, EdgeShard, Filter

    from twin.features.index.contract import Filters
    from twin.features.index.points import IndexedPoint

__all__ = [
    "close",
    "count",
    "create",
    "delete",
    "failures",
    "filter_of",
    "finish",
    "first_date",
    "open_for_update",
    "open_shard",
    "search",
    "settle",
    "unreadable",
    "upsert",
    "values",
    "warm",
]

MOST_VALUES = 100_000
"""More values of one field than this are not told apart."""
DELETED_AT_ONCE = 10_000

GRAPH_EDGES, GRAPH_CANDIDATES, FULL_SCAN_KB = 16, 100, 10_000
"""The graph over the vectors, as the engine builds it by default."""
SMALL_SEGMENT_KB = 40_000
"""Vectors of segments that are merged with each other: 26,000 of 384 dimensions, which takes seconds."""
FEW_SEGMENTS = 4
"""Small segments are merged when there are more than this; a search visits each."""
MOST_SEGMENTS = 8
"""Everything is merged when there are more than this."""
DELETED_SHARE = 0.5
"""A segment is built again when this share of its passages has gone."""


def open_shard(folder: Path) -> EdgeShard:
    """The shard in a folder. Any number of processes may have it open for reading.

    Raises:
        IndexUnavailable: The engine cannot read it.
    """
    from qdrant_edge import EdgeShard

    with failures(folder):
        return EdgeShard.load(str(folder))


def open_for_update(folder: Path, dimensions: int) -> EdgeShard:
    """The shard in a folder, for updates and `finish`.

    Left to itself, the engine merges each large enough batch of changes with all the passages there are, which builds
    the whole graph again. Here changes gather in small segments, and everything is built again when there are many.

    Raises:
        IndexUnavailable: The engine cannot read it.
    """
    from qdrant_edge import EdgeShard

    with failures(folder):
        shard = EdgeShard.load(str(folder), _config(dimensions, largest_merged=SMALL_SEGMENT_KB))
        if shard.info().segments_count > MOST_SEGMENTS:
            shard.close()
            shard = EdgeShard.load(str(folder), _config(dimensions, largest_merged=None))
    return shard


def create(folder: Path, dimensions: int) -> EdgeShard:
    """A new shard in an empty folder."""
    import qdrant_edge as engine

    shard = engine.EdgeShard.create(str(folder), _config(dimensions, largest_merged=SMALL_SEGMENT_KB))
    mapped = engine.Memory.Cached
    for field in points.KEYWORD_FIELDS:
        shard.update(engine.UpdateOperation.create_field_index(field, engine.KeywordIndexParams(memory=mapped)))
    for field in points.DATETIME_FIELDS:
        shard.update(engine.UpdateOperation.create_field_index(field, engine.DatetimeIndexParams(memory=mapped)))
    return shard


def _config(dimensions: int, *, largest_merged: int | None) -> EdgeConfig:
    """How shards are made, and when the engine builds which parts of them again.

    There is no write-ahead log: with one, a second process could not open the shard. Nothing is lost by that, for a
    generation is flushed before it goes live, and never written again.

    Every part is mapped from its file instead of being read into memory of its own: the engine keeps Python's lock
    while it opens a shard, and so opens it in a quarter of the time, at the same speed of searches (measured); and
    processes share that memory.
    """
    import qdrant_edge as engine

    mapped = engine.Memory.Cached
    optimizers = engine.EdgeOptimizersConfig(
        default_segment_number=FEW_SEGMENTS if largest_merged else 1,
        max_segment_size=largest_merged,
        deleted_threshold=DELETED_SHARE if largest_merged else None,
    )
    return engine.EdgeConfig(
        vectors={
            points.DENSE: engine.EdgeVectorParams(size=dimensions, distance=engine.Distance.Cosine, memory=mapped)
        },
        sparse_vectors={points.SPARSE: engine.EdgeSparseVectorParams(modifier=engine.Modifier.Idf, memory=mapped)},
        hnsw_config=engine.HnswIndexConfig(
            m=GRAPH_EDGES, ef_construct=GRAPH_CANDIDATES, full_scan_threshold=FULL_SCAN_KB, memory=mapped
        ),
        id_tracker_memory=mapped,
        optimizers=optimizers,
        wal_enabled=False,
    )


def upsert(shard: EdgeShard, batch: Sequence[IndexedPoint]) -> None:
    """Adds points, or replaces those of the same ids."""
    from qdrant_edge import Point, UpdateOperation

    stored = [
        Point(point.id, {points.DENSE: point.dense, points.SPARSE: point.sparse}, point.payload) for point in batch
    ]
    shard.update(UpdateOperation.upsert_points(stored))


def delete(shard: EdgeShard, identities: Sequence[str]) -> None:
    """Removes the points of these ids."""
    from qdrant_edge import UpdateOperation

    for start in range(0, len(identities), DELETED_AT_ONCE):
        shard.update(UpdateOperation.delete_points([*identities[start : start + DELETED_AT_ONCE]]))


def finish(shard: EdgeShard) -> None:
    """Builds what searches need of the updates, and writes everything to the files."""
    shard.optimize()
    shard.flush()


def settle(folder: Path) -> int:
    """Opens a finished shard once and returns how many points it holds.

    The first to open a shard after it was written to brings its journals into its files. Readers must find that done,
    for a published generation does not change.

    Raises:
        IndexUnavailable: The engine cannot read what it wrote.
    """
    shard = open_shard(folder)
    try:
        return count(shard)
    finally:
        close(shard)


def close(shard: EdgeShard) -> None:
    """Gives the shard's files and memory back."""
    shard.close()


def count(shard: EdgeShard) -> int:
    """How many points it holds."""
    from qdrant_edge import CountRequest

    return shard.count(CountRequest())


def search(
    shard: EdgeShard, text: str, vector: np.ndarray, k: int, *, filters: Filters, depth: int
) -> tuple[list[Any], list[Any], list[Any]]:
    """The fused ranking, with payloads; then the same points ranked by meaning, and by words: scored points.

    The second question is for the scores: the fused ranking has only the ranks left, and asking for the vectors
    instead, or for whole rankings, takes three times as long.
    """
    from qdrant_edge import Filter, Fusion, HasIdCondition, Prefetch, Query, QueryBatchRequest, QueryRequest

    condition = filter_of(filters)
    rankings = [Query.Nearest(vector.tolist(), using=points.DENSE)]
    words = points.bm25().embed_query(text)
    if words.indices:
        rankings.append(Query.Nearest(words, using=points.SPARSE))
    found = shard.query(
        QueryRequest(
            limit=k,
            query=cast("Fusion", Fusion.Rrf(k=points.RRF_K)),  # the stubs do not know that Rrf is a Fusion
            prefetches=[Prefetch(limit=depth, query=ranking, filter=condition) for ranking in rankings],
            with_payload=True,
        )
    )
    these = Filter(must=[HasIdCondition({point.id for point in found})])
    scores = [QueryRequest(limit=k, query=ranking, filter=these) for ranking in rankings]
    by_meaning, *by_words = shard.query_batch(QueryBatchRequest(scores)) if found else [[]]
    return found, by_meaning, by_words[0] if by_words else []


def warm(shard: EdgeShard, dimensions: int) -> None:
    """Reads in what a first search would otherwise wait for."""
    from qdrant_edge import Query, QueryRequest

    some = np.full(dimensions, dimensions**-0.5, np.float32).tolist()
    shard.query(QueryRequest(limit=1, query=Query.Nearest(some, using=points.DENSE), with_payload=True))


def values(shard: EdgeShard, field: str) -> dict[str, int]:
    """How many points have each value of a keyword field, most first."""
    from qdrant_edge import FacetRequest

    hits = shard.facet(FacetRequest(field, limit=MOST_VALUES, exact=True)).hits
    return {str(hit.value): hit.count for hit in sorted(hits, key=lambda hit: (-hit.count, str(hit.value)))}


def first_date(shard: EdgeShard, *, latest: bool) -> datetime | None:
    """The earliest or the latest publication of a passage, if any has one."""
    from qdrant_edge import Direction, OrderBy, ScrollRequest

    order = OrderBy("published_at", Direction.Desc if latest else Direction.Asc)
    records, _ = shard.scroll(ScrollRequest(limit=1, order_by=order, with_payload=["published_at"]))
    return datetime.fromisoformat((records[0].payload or {})["published_at"]) if records else None


@contextlib.contextmanager
def failures(place: object) -> Generator[None]:
    """Turns what the engine raises, panics included, into an error that says what to do.

    Raises:
        IndexUnavailable: The engine failed.
    """
    try:
        yield
    except (IndexUnavailable, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # the engine's panics are no Exceptions
        raise unreadable(place, str(error)) from error


def unreadable(place: object, problem: str) -> IndexUnavailable:
    """The error for a damaged generation."""
    return IndexUnavailable(
        f"The index at {place} cannot be read: {problem}. "
        "Run `llm-twin materialize vector_index`, which builds the index again from the stored vectors."
    )


def filter_of(filters: Filters) -> Filter | None:
    """The engine's own form of filters; None when they restrict nothing."""
    from qdrant_edge import FieldCondition, Filter, MatchAny, RangeDateTime

    wanted: list[Any] = [FieldCondition(key, match=MatchAny([*values])) for key, values in filters.keywords.items()]
    if bounds := filters.published_bounds:
        wanted.append(FieldCondition("published_at", range=RangeDateTime(**bounds)))
    unwanted: list[Any] = []
    if filters.excluded_documents:
        unwanted.append(FieldCondition("document_id", match=MatchAny([*filters.excluded_documents])))
    return Filter(must=wanted or None, must_not=unwanted or None) if wanted or unwanted else None
