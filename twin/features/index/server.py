"""The index on a Qdrant server, cluster or Cloud: a collection per schema, and an alias that readers use."""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from functools import cached_property
from typing import TYPE_CHECKING, Any

from twin.errors import IndexUnavailable
from twin.features.index import base

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
    from datetime import datetime

    import numpy as np
    from qdrant_client import QdrantClient, models

    from twin.features.index.base import IndexedPoint, PublishReport
    from twin.records import Chunk, Passage

__all__ = ["ServerIndex"]

TIMEOUT_SECONDS = 10
SCROLL_POINTS = 2_000
NOT_FOUND = 404


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

    def publish(
        self,
        wanted: Mapping[str, str],
        load: Callable[[Sequence[str]], Iterable[tuple[Chunk, np.ndarray]]],
        *,
        schema: str,
    ) -> PublishReport:
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
            for batch in base.load_batches(changes, wanted, load, self._dimensions):
                self._client.upsert(collection, [_server_point(point) for point in batch], wait=True)
            for start in range(0, len(changes.removed), base.BATCH_POINTS):
                self._client.delete(collection, [*changes.removed[start : start + base.BATCH_POINTS]], wait=True)
            previous = live if live != collection else self._metadata().get("previous")
            self._client.update_collection(collection, metadata={"generation": generation, "previous": previous})
            self._switch(live, collection)
            self._remove_all_but(collection, previous)
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
        from qdrant_client import models

        filters = base.Filters(
            author=author,
            kind=kind,
            platform=platform,
            published_from=published_from,
            published_until=published_until,
        )
        condition, depth = _filter(filters), base.candidates(k)
        rankings = [models.Prefetch(query=vector.tolist(), using=base.DENSE, filter=condition, limit=depth)]
        words = base.bm25().embed_query(text)
        if words.indices:
            sparse = models.SparseVector(indices=words.indices, values=words.values)
            rankings.append(models.Prefetch(query=sparse, using=base.SPARSE, filter=condition, limit=depth))
        with self._translated_errors():
            found = self._client.query_points(
                self._alias,
                prefetch=rankings,
                query=models.RrfQuery(rrf=models.Rrf(k=base.RRF_K)),
                limit=k,
                with_payload=True,
                with_vectors=[base.DENSE],
            )
        return [base.to_passage(point, vector) for point in found.points]

    def generation(self) -> str | None:
        try:
            with self._translated_errors():
                return self._metadata().get("generation")
        except _NothingPublished:
            return None

    def rollback(self) -> str:
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
            vectors_config={base.DENSE: models.VectorParams(size=self._dimensions, distance=models.Distance.COSINE)},
            sparse_vectors_config={base.SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
        )
        for field in base.KEYWORD_FIELDS:
            self._client.create_payload_index(collection, field, models.PayloadSchemaType.KEYWORD)
        for field in base.DATETIME_FIELDS:
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
        id=uuid.UUID(point.id), vector={base.DENSE: point.dense, base.SPARSE: sparse}, payload=point.payload
    )


def _filter(filters: base.Filters) -> models.Filter | None:
    from qdrant_client import models

    conditions: list[Any] = [
        models.FieldCondition(key=key, match=models.MatchValue(value=value)) for key, value in filters.keywords.items()
    ]
    if bounds := filters.published_bounds:
        conditions.append(models.FieldCondition(key="published_at", range=models.DatetimeRange(**bounds)))
    return models.Filter(must=conditions) if conditions else None
