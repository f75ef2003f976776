"""The index on Qdrant's own engine in this process, over published generations in a folder."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from twin.errors import ArtifactError, IndexUnavailable
from twin.features.index import base
from twin.features.index.generations import Generations, Manifest
from twin.records import utcnow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    import numpy as np
    from qdrant_edge import EdgeShard, Filter

    from twin.features.index.base import IndexedPoint, PublishReport
    from twin.records import Chunk, Passage

__all__ = ["EdgeIndex"]


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

    def publish(
        self,
        wanted: Mapping[str, str],
        load: Callable[[Sequence[str]], Iterable[tuple[Chunk, np.ndarray]]],
        *,
        schema: str,
    ) -> PublishReport:
        schema = base.stored_schema(schema)
        with self._generations.publishing():
            live = self._generations.current()
            manifest = self._generations.manifest(live) if live else None
            carried = manifest.points if manifest and manifest.schema == schema else None
            changes = base.Changes.between(carried or {}, wanted)
            if live and manifest and carried is not None and not changes:
                return changes.report(live, manifest.data_version)
            version = base.data_version(schema, wanted)
            self._write(self._generations.stage(live if carried else None), wanted, changes, load)
            generation = self._generations.commit(
                Manifest(schema=schema, created_at=self._clock(), data_version=version, points=dict(wanted))
            )
        return changes.report(generation, version)

    def search(
        self,
        text: str,
        vector: np.ndarray,
        k: int,
        *,
        author: str | None = None,
        kind: str | None = None,
        platform: str | None = None,
        published_from: datetime | None = None,
        published_until: datetime | None = None,
    ) -> list[Passage]:
        from qdrant_edge import Fusion, Prefetch, Query, QueryRequest

        filters = base.Filters(
            author=author,
            kind=kind,
            platform=platform,
            published_from=published_from,
            published_until=published_until,
        )
        condition, depth = _filter(filters), base.candidates(k)
        rankings = [Query.Nearest(vector.tolist(), using=base.DENSE)]
        words = base.bm25().embed_query(text)
        if words.indices:
            rankings.append(Query.Nearest(words, using=base.SPARSE))
        request = QueryRequest(
            limit=k,
            query=cast("Fusion", Fusion.Rrf(k=base.RRF_K)),  # the stubs do not know that Rrf is a Fusion
            prefetches=[Prefetch(limit=depth, query=ranking, filter=condition) for ranking in rankings],
            with_payload=True,
            with_vector=[base.DENSE],
        )
        return [base.to_passage(point, vector) for point in self._reader().shard.query(request)]

    def generation(self) -> str | None:
        return self._generations.current()

    def rollback(self) -> str:
        return self._generations.rollback()

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

    def _write(
        self,
        folder: Path,
        wanted: Mapping[str, str],
        changes: base.Changes,
        load: Callable[[Sequence[str]], Iterable[tuple[Chunk, np.ndarray]]],
    ) -> None:
        """Brings the staged shard from what it carried over to what is wanted, durably."""
        from qdrant_edge import CountRequest, UpdateOperation

        shard = _open_for_writing(folder, self._dimensions)
        try:
            for batch in base.load_batches(changes, wanted, load, self._dimensions):
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


def _open_for_writing(folder: Path, dimensions: int) -> EdgeShard:
    """The shard in a staged folder, made if the folder is empty.

    Without a write-ahead log any number of processes can open a shard for reading, and nothing is lost: a generation is
    flushed before it goes live, and never written again.
    """
    import qdrant_edge as engine

    if any(folder.iterdir()):
        return engine.EdgeShard.load(str(folder))
    config = engine.EdgeConfig(
        vectors={base.DENSE: engine.EdgeVectorParams(size=dimensions, distance=engine.Distance.Cosine)},
        sparse_vectors={base.SPARSE: engine.EdgeSparseVectorParams(modifier=engine.Modifier.Idf)},
        wal_enabled=False,
    )
    shard = engine.EdgeShard.create(str(folder), config)
    for field in base.KEYWORD_FIELDS:
        shard.update(engine.UpdateOperation.create_field_index(field, engine.PayloadSchemaType.Keyword))
    for field in base.DATETIME_FIELDS:
        shard.update(engine.UpdateOperation.create_field_index(field, engine.PayloadSchemaType.Datetime))
    return shard


def _edge_point(point: IndexedPoint) -> Any:
    from qdrant_edge import Point

    return Point(point.id, {base.DENSE: point.dense, base.SPARSE: point.sparse}, point.payload)


def _filter(filters: base.Filters) -> Filter | None:
    from qdrant_edge import FieldCondition, Filter, MatchValue, RangeDateTime

    conditions: list[Any] = [FieldCondition(key, match=MatchValue(value)) for key, value in filters.keywords.items()]
    if bounds := filters.published_bounds:
        conditions.append(FieldCondition("published_at", range=RangeDateTime(**bounds)))
    return Filter(must=conditions) if conditions else None
