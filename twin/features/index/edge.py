"""The index on Qdrant's own engine in this process, over published generations in a folder."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from twin.errors import ArtifactError, IndexUnavailable
from twin.features.index import base, points
from twin.features.index.generations import Generations, Manifest
from twin.records import utcnow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from qdrant_edge import EdgeShard, Filter

    from twin.features.index.base import Facets, Filters, IndexStatus, Load, PublishReport, Span
    from twin.features.index.points import IndexedPoint
    from twin.records import Passage

__all__ = ["EdgeIndex"]

MOST_VALUES = 100_000
"""More values of one field than this are not told apart in `facets`."""


class _Reader(NamedTuple):
    stamp: tuple[int, int]
    generation: str
    shard: EdgeShard


class EdgeIndex:
    """A folder of generations; see `twin.features.index.generations`. Safe to share between threads.

    A search takes the generation that is live when it starts and finishes on it, whatever is published meanwhile.
    """

    def __init__(self, root: Path, *, dimensions: int, clock: Callable[[], datetime] = utcnow) -> None:
        self._generations = Generations(root)
        self._dimensions = dimensions
        self._clock = clock
        self._opened: _Reader | None = None
        self._opening = threading.Lock()

    def publish(self, wanted: Mapping[str, str], load: Load, *, schema: str, force: bool = False) -> PublishReport:
        schema = base.stored_schema(schema)
        version = base.data_version(schema, wanted)
        with self._generations.publishing():
            live = self._generations.current()
            manifest = self._generations.manifest(live) if live else None
            if live and manifest and (held := self._generations.held()) and not force:
                newest = self._generations.manifest(held)
                if newest.data_version == version:
                    return _nothing(live, manifest, held)
            stored = self._generations.points(live) if live and manifest and manifest.schema == schema else None
            changes = base.Changes.between(stored or {}, wanted)
            if live and manifest and stored is not None and not changes:
                return changes.report(live, manifest.data_version)
            self._write(self._generations.stage(live if stored else None), wanted, changes, load)
            generation = self._generations.commit(
                Manifest(schema=schema, created_at=self._clock(), data_version=version, passages=len(wanted)), wanted
            )
        return changes.report(generation, version)

    def search(
        self, text: str, vector: np.ndarray, k: int, *, filters: Filters = base.EVERYTHING, depth: int | None = None
    ) -> list[Passage]:
        from qdrant_edge import Fusion, Prefetch, Query, QueryBatchRequest, QueryRequest

        condition, depth = _filter(filters), depth or points.candidates(k)
        rankings = [Query.Nearest(vector.tolist(), using=points.DENSE)]
        words = points.bm25().embed_query(text)
        if words.indices:
            rankings.append(Query.Nearest(words, using=points.SPARSE))
        fused = QueryRequest(
            limit=k,
            query=cast("Fusion", Fusion.Rrf(k=points.RRF_K)),  # the stubs do not know that Rrf is a Fusion
            prefetches=[Prefetch(limit=depth, query=ranking, filter=condition) for ranking in rankings],
            with_payload=True,
            with_vector=[points.DENSE],
        )
        by_words = [QueryRequest(limit=depth, query=ranking, filter=condition) for ranking in rankings[1:]]
        found, *scored = self._reader().shard.query_batch(QueryBatchRequest([fused, *by_words]))
        return points.with_scores(found, scored[0] if scored else [], vector)

    def neighbours(self, spans: Sequence[Span]) -> list[list[Passage]]:
        records = self._reader().shard.retrieve([*points.span_ids(spans)], with_payload=True, with_vector=False)
        passages = [points.to_passage(record.id, record.payload or {}) for record in records]
        return points.as_spans(spans, passages)

    def vectors(self, chunk_ids: Sequence[str]) -> dict[str, np.ndarray]:
        records = self._reader().shard.retrieve([*chunk_ids], with_payload=False, with_vector=[points.DENSE])
        found = {str(record.id): cast("dict[str, list[float]]", record.vector) for record in records}
        return {identity: np.asarray(vector[points.DENSE], np.float32) for identity, vector in found.items()}

    def facets(self) -> Facets:
        from qdrant_edge import Direction

        shard = self._reader().shard
        return base.Facets(
            authors=_values(shard, "author"),
            kinds=_values(shard, "kind"),
            platforms=_values(shard, "platform"),
            languages=_values(shard, "language"),
            published_from=_first_date(shard, Direction.Asc),
            published_until=_first_date(shard, Direction.Desc),
        )

    def generation(self) -> str | None:
        return self._generations.current()

    def status(self) -> IndexStatus:
        live = self._generations.current()
        return base.IndexStatus(
            place=str(self._generations.root),
            generation=live,
            held=self._generations.held(),
            generations=[
                base.GenerationInfo(
                    name=name,
                    created_at=manifest.created_at,
                    schema=manifest.schema,
                    passages=manifest.passages,
                    data_version=manifest.data_version,
                    live=name == live,
                )
                for name in self._generations.names()
                for manifest in [self._generations.manifest(name)]
            ],
        )

    def rollback(self, to: str | None = None) -> str:
        return self._generations.rollback(to)

    def count(self) -> int:
        from qdrant_edge import CountRequest

        return self._reader().shard.count(CountRequest())

    def close(self) -> None:
        """Lets the open generation go; searches that still run on it finish first."""
        self._opened = None

    def _reader(self) -> _Reader:
        """The live generation, opened anew when it is not the one that is open.

        Raises:
            IndexUnavailable: Nothing has been published, or the live generation cannot be read.
        """
        opened = self._opened
        if opened is not None and opened.stamp == self._generations.stamp():
            return opened
        with self._opening:
            while (opened := self._opened) is None or opened.stamp != self._generations.stamp():
                self._open_live()
            return opened

    def _open_live(self) -> None:
        """Opens the live generation. Opens nothing if that was replaced, and perhaps removed, in the meantime."""
        from qdrant_edge import EdgeShard

        stamp, generation = self._generations.stamp(), self._generations.current()
        if stamp is None or generation is None:
            raise base.nothing_published(str(self._generations.root))
        folder = self._generations.shard(generation)
        try:
            self._opened = _Reader(stamp, generation, EdgeShard.load(str(folder)))
        except Exception as error:  # the engine raises nothing more precise
            if self._generations.stamp() == stamp:
                raise IndexUnavailable(
                    f"Index generation {generation} in {folder} cannot be opened: {error}. "
                    f"Remove {self._generations.root} and run `llm-twin materialize vector_index`.",
                ) from error

    def _write(self, folder: Path, wanted: Mapping[str, str], changes: base.Changes, load: Load) -> None:
        """Brings the staged shard from what it carried over to what is wanted, durably."""
        from qdrant_edge import CountRequest, UpdateOperation

        shard = _open_for_writing(folder, self._dimensions)
        try:
            for batch in points.load_batches(changes, wanted, load, self._dimensions):
                shard.update(UpdateOperation.upsert_points([_edge_point(point) for point in batch]))
            if changes.removed:
                shard.update(UpdateOperation.delete_points(list(changes.removed)))
            shard.optimize()
            stored = shard.count(CountRequest())
            shard.flush()
        finally:
            shard.close()
        if stored != len(wanted):
            raise ArtifactError(
                f"The new index generation holds {stored} passages instead of {len(wanted)}; it was not published. "
                f"Remove {self._generations.root} and run `llm-twin materialize vector_index` to build it from nothing."
            )


def _nothing(live: str, manifest: Manifest, held: str) -> PublishReport:
    return base.PublishReport(
        generation=live,
        added=0,
        changed=0,
        removed=0,
        unchanged=manifest.passages,
        total=manifest.passages,
        data_version=manifest.data_version,
        held=held,
    )


def _open_for_writing(folder: Path, dimensions: int) -> EdgeShard:
    """The shard in a staged folder, made if the folder is empty.

    Without a write-ahead log any number of processes can open a shard for reading, and nothing is lost: a generation is
    flushed before it goes live, and never written again.
    """
    import qdrant_edge as engine

    if any(folder.iterdir()):
        return engine.EdgeShard.load(str(folder))
    config = engine.EdgeConfig(
        vectors={points.DENSE: engine.EdgeVectorParams(size=dimensions, distance=engine.Distance.Cosine)},
        sparse_vectors={points.SPARSE: engine.EdgeSparseVectorParams(modifier=engine.Modifier.Idf)},
        wal_enabled=False,
    )
    shard = engine.EdgeShard.create(str(folder), config)
    for field in points.KEYWORD_FIELDS:
        shard.update(engine.UpdateOperation.create_field_index(field, engine.PayloadSchemaType.Keyword))
    for field in points.DATETIME_FIELDS:
        shard.update(engine.UpdateOperation.create_field_index(field, engine.PayloadSchemaType.Datetime))
    return shard


def _edge_point(point: IndexedPoint) -> Any:
    from qdrant_edge import Point

    return Point(point.id, {points.DENSE: point.dense, points.SPARSE: point.sparse}, point.payload)


def _filter(filters: Filters) -> Filter | None:
    from qdrant_edge import FieldCondition, Filter, MatchAny, RangeDateTime

    wanted: list[Any] = [FieldCondition(key, match=MatchAny([*values])) for key, values in filters.keywords.items()]
    if bounds := filters.published_bounds:
        wanted.append(FieldCondition("published_at", range=RangeDateTime(**bounds)))
    unwanted: list[Any] = []
    if filters.excluded_documents:
        unwanted.append(FieldCondition("document_id", match=MatchAny([*filters.excluded_documents])))
    return Filter(must=wanted or None, must_not=unwanted or None) if wanted or unwanted else None


def _values(shard: EdgeShard, field: str) -> dict[str, int]:
    from qdrant_edge import FacetRequest

    hits = shard.facet(FacetRequest(field, limit=MOST_VALUES, exact=True)).hits
    return {str(hit.value): hit.count for hit in sorted(hits, key=lambda hit: (-hit.count, str(hit.value)))}


def _first_date(shard: EdgeShard, direction: Any) -> datetime | None:
    from qdrant_edge import OrderBy, ScrollRequest

    order = OrderBy("published_at", direction)
    records, _ = shard.scroll(ScrollRequest(limit=1, order_by=order, with_payload=["published_at"]))
    return datetime.fromisoformat((records[0].payload or {})["published_at"]) if records else None
