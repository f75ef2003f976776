"""The index on a Qdrant server, cluster or Cloud: a collection per schema, and an alias that readers use."""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from twin.errors import IndexUnavailable
from twin.features.index import base, points

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from qdrant_client import QdrantClient, models

    from twin.features.index.base import Facets, Filters, IndexStatus, Load, PublishReport, Span
    from twin.features.index.points import IndexedPoint
    from twin.records import Passage

__all__ = ["ServerIndex"]

TIMEOUT_SECONDS = 10
SCROLL_POINTS = 2_000
NOT_FOUND = 404
MOST_VALUES = 100_000
"""More values of one field than this are not told apart in `facets`."""


class ServerIndex:
    """Passages on a Qdrant server.

    While the schema is the same, publishing upserts into the live collection and readers see the changes as they
    arrive; a publication that fails half-way is completed by the next. When the schema changes, a new collection is
    filled beside the live one and the alias is switched; the old one is kept to go back to.
    """

    def __init__(self, connect: Callable[[], QdrantClient], *, place: str, alias: str, dimensions: int) -> None:
        self._connect = connect
        self._place = place
        self._alias = alias
        self._dimensions = dimensions

    @classmethod
    def at(cls, url: str, *, api_key: str | None, alias: str, dimensions: int) -> ServerIndex:
        """The index on the server at a URL; connects with the first operation."""

        def connect() -> QdrantClient:
            from qdrant_client import QdrantClient

            return QdrantClient(url=url, api_key=api_key, timeout=TIMEOUT_SECONDS, check_compatibility=False)

        return cls(connect, place=url, alias=alias, dimensions=dimensions)

    def publish(self, wanted: Mapping[str, str], load: Load, *, schema: str, force: bool = False) -> PublishReport:
        schema = base.stored_schema(schema)
        version = base.data_version(schema, wanted)
        collection = f"{self._alias}-{hashlib.sha256(schema.encode()).hexdigest()[:12]}"
        generation = f"{collection}@{version[:8]}"
        with self._translated_errors():
            live = self._live_collection()
            self._ensure(collection)
            changes = base.Changes.between(self._stored(collection), wanted)
            if live == collection and not changes and self._metadata().get("generation") == generation:
                return changes.report(generation, version)
            for batch in points.load_batches(changes, wanted, load, self._dimensions):
                self._client.upsert(collection, [_server_point(point) for point in batch], wait=True)
            for start in range(0, len(changes.removed), points.BATCH_POINTS):
                self._client.delete(collection, [*changes.removed[start : start + points.BATCH_POINTS]], wait=True)
            previous = live if live != collection else self._metadata().get("previous")
            self._client.update_collection(collection, metadata={"generation": generation, "previous": previous})
            self._switch(live, collection)
            self._remove_all_but(collection, previous)
        return changes.report(generation, version)

    def search(
        self, text: str, vector: np.ndarray, k: int, *, filters: Filters = base.EVERYTHING, depth: int | None = None
    ) -> list[Passage]:
        from qdrant_client import models

        condition, depth = _filter(filters), depth or points.candidates(k)
        rankings = [models.Prefetch(query=vector.tolist(), using=points.DENSE, filter=condition, limit=depth)]
        words, by_words = points.bm25().embed_query(text), []
        if words.indices:
            sparse = models.SparseVector(indices=words.indices, values=words.values)
            rankings.append(models.Prefetch(query=sparse, using=points.SPARSE, filter=condition, limit=depth))
            by_words.append(
                models.QueryRequest(
                    query=sparse, using=points.SPARSE, filter=condition, limit=depth, with_payload=False
                )
            )
        fused = models.QueryRequest(
            prefetch=rankings,
            query=models.RrfQuery(rrf=models.Rrf(k=points.RRF_K)),
            limit=k,
            with_payload=True,
            with_vector=[points.DENSE],
        )
        with self._translated_errors():
            found, *scored = self._client.query_batch_points(self._alias, [fused, *by_words])
        return points.with_scores(found.points, scored[0].points if scored else [], vector)

    def neighbours(self, spans: Sequence[Span]) -> list[list[Passage]]:
        with self._translated_errors():
            records = self._client.retrieve(self._alias, points.span_ids(spans), with_payload=True)
        return points.as_spans(spans, [points.to_passage(record.id, record.payload or {}) for record in records])

    def vectors(self, chunk_ids: Sequence[str]) -> dict[str, np.ndarray]:
        with self._translated_errors():
            records = self._client.retrieve(self._alias, [*chunk_ids], with_payload=False, with_vectors=[points.DENSE])
        found = {str(record.id): cast("dict[str, list[float]]", record.vector) for record in records}
        return {identity: np.asarray(vector[points.DENSE], np.float32) for identity, vector in found.items()}

    def facets(self) -> Facets:
        from qdrant_client import models

        with self._translated_errors():
            return base.Facets(
                authors=self._values("author"),
                kinds=self._values("kind"),
                platforms=self._values("platform"),
                languages=self._values("language"),
                published_from=self._first_date(models.Direction.ASC),
                published_until=self._first_date(models.Direction.DESC),
            )

    def generation(self) -> str | None:
        try:
            with self._translated_errors():
                return self._metadata().get("generation")
        except _NothingPublished:
            return None

    def rollback(self, to: str | None = None) -> str:
        """Switches the alias back to the collection of the previous schema and returns its generation.

        Raises:
            IndexUnavailable: There is none: changes within one schema are undone by publishing earlier chunks again.
        """
        with self._translated_errors():
            live, previous = self._live_collection(), self._metadata().get("previous")
            if previous is None or not self._client.collection_exists(previous):
                raise IndexUnavailable(f"{self._place} holds no earlier collection of {self._alias} to go back to.")
            self._switch(live, previous)
            return self._metadata()["generation"]

    def status(self) -> IndexStatus:
        return base.IndexStatus(place=self._place, generation=self.generation(), held=None, generations=[])

    def count(self) -> int:
        with self._translated_errors():
            return self._client.count(self._alias).count

    def close(self) -> None:
        if "_client" in self.__dict__:
            self._client.close()
            del self.__dict__["_client"]

    @cached_property
    def _client(self) -> QdrantClient:
        return self._connect()

    def _live_collection(self) -> str | None:
        aliases = self._client.get_aliases().aliases
        return next((alias.collection_name for alias in aliases if alias.alias_name == self._alias), None)

    def _metadata(self) -> dict[str, Any]:
        return self._client.get_collection(self._alias).config.metadata or {}

    def _ensure(self, collection: str) -> None:
        from qdrant_client import models

        if self._client.collection_exists(collection):
            return
        self._client.create_collection(
            collection,
            vectors_config={points.DENSE: models.VectorParams(size=self._dimensions, distance=models.Distance.COSINE)},
            sparse_vectors_config={points.SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
        )
        for field in points.KEYWORD_FIELDS:
            self._client.create_payload_index(collection, field, models.PayloadSchemaType.KEYWORD)
        for field in points.DATETIME_FIELDS:
            self._client.create_payload_index(collection, field, models.PayloadSchemaType.DATETIME)

    def _stored(self, collection: str) -> dict[str, str]:
        """Fingerprint of every point of a collection, by id."""
        fingerprints: dict[str, str] = {}
        offset = None
        while True:
            records, offset = self._client.scroll(
                collection, limit=SCROLL_POINTS, offset=offset, with_payload=["fingerprint"], with_vectors=False
            )
            fingerprints.update((str(record.id), (record.payload or {}).get("fingerprint", "")) for record in records)
            if offset is None:
                return fingerprints

    def _values(self, field: str) -> dict[str, int]:
        hits = self._client.facet(self._alias, field, limit=MOST_VALUES, exact=True).hits
        return {str(hit.value): hit.count for hit in sorted(hits, key=lambda hit: (-hit.count, str(hit.value)))}

    def _first_date(self, direction: models.Direction) -> datetime | None:
        from qdrant_client import models

        order = models.OrderBy(key="published_at", direction=direction)
        records, _ = self._client.scroll(self._alias, limit=1, order_by=order, with_payload=["published_at"])
        return datetime.fromisoformat((records[0].payload or {})["published_at"]) if records else None

    def _switch(self, live: str | None, collection: str) -> None:
        """Points the alias at a collection, in one atomic operation."""
        from qdrant_client import models

        if live == collection:
            return
        create = models.CreateAlias(collection_name=collection, alias_name=self._alias)
        operations: list[Any] = [models.CreateAliasOperation(create_alias=create)]
        if live is not None:
            operations.insert(0, models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=self._alias)))
        self._client.update_collection_aliases(change_aliases_operations=operations)

    def _remove_all_but(self, *kept: str | None) -> None:
        for collection in self._client.get_collections().collections:
            if collection.name.startswith(f"{self._alias}-") and collection.name not in kept:
                self._client.delete_collection(collection.name)

    @contextlib.contextmanager
    def _translated_errors(self) -> Generator[None]:
        """Turns what qdrant-client raises into IndexUnavailable with the server's URL and what to do."""
        from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

        try:
            yield
        except ResponseHandlingException as error:
            raise IndexUnavailable(
                f"The Qdrant server at {self._place} does not answer: {error}. "
                "Check QDRANT_URL and that it is running, or unset QDRANT_URL to use the index in TWIN_HOME."
            ) from error
        except UnexpectedResponse as error:
            if error.status_code == NOT_FOUND:
                raise _nothing_published(self._place) from error
            raise IndexUnavailable(
                f"The Qdrant server at {self._place} refused: HTTP {error.status_code} {error.reason_phrase}. Check "
                "QDRANT_API_KEY and the server's log.",
                detail=error.content.decode("utf-8", "replace"),
            ) from error
        except ValueError as error:
            if not str(error).startswith("Collection "):  # qdrant-client in memory has no HTTP status
                raise
            raise _nothing_published(self._place) from error


class _NothingPublished(IndexUnavailable):
    """The alias does not exist yet."""


def _nothing_published(place: str) -> _NothingPublished:
    return _NothingPublished(base.nothing_published(place).message)


def _server_point(point: IndexedPoint) -> models.PointStruct:
    from qdrant_client import models

    sparse = models.SparseVector(indices=point.sparse.indices, values=point.sparse.values)
    return models.PointStruct(
        id=uuid.UUID(point.id), vector={points.DENSE: point.dense, points.SPARSE: sparse}, payload=point.payload
    )


def _filter(filters: Filters) -> models.Filter | None:
    from qdrant_client import models

    wanted: list[Any] = [_any_of(key, values) for key, values in filters.keywords.items()]
    if bounds := filters.published_bounds:
        wanted.append(models.FieldCondition(key="published_at", range=models.DatetimeRange(**bounds)))
    unwanted: list[Any] = []
    if filters.excluded_documents:
        unwanted.append(_any_of("document_id", filters.excluded_documents))
    return models.Filter(must=wanted or None, must_not=unwanted or None) if wanted or unwanted else None


def _any_of(field: str, values: Sequence[str]) -> models.FieldCondition:
    from qdrant_client import models

    return models.FieldCondition(key=field, match=models.MatchAny(any=[*values]))
