"""The index on a Qdrant server, cluster or Cloud: a collection per schema, and an alias that readers use."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from twin import fencing
from twin.errors import IndexUnavailable, UnknownName
from twin.features.index import contract, points
from twin.features.index.client import filter_of, translated
from twin.features.index.collection import Collection, Generation, State
from twin.records import utcnow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from qdrant_client import QdrantClient, models

    from twin.features.index.contract import Facets, Filters, GenerationInfo, IndexStatus, Load, PublishReport, Span
    from twin.records import Passage

__all__ = ["ServerIndex"]

UNFINISHED = (
    "A publication or a rollback was interrupted, and searches find part of its changes. Do it again: "
    "`llm-twin materialize vector_index` or `llm-twin index rollback`."
)

TIMEOUT_SECONDS = 10
MOST_VALUES = 100_000
"""More values of one field than this are not told apart in `facets`."""


class ServerIndex:
    """Passages on a Qdrant server.

    While the schema is the same, publishing upserts into the live collection and readers see the changes as they
    arrive; a publication that fails half-way is completed by the next. When the schema changes, a new collection is
    filled beside the live one and the alias is switched; the old one is kept to go back to. See
    `twin.features.index.collection` for the way back within one schema.
    """

    def __init__(
        self,
        connect: Callable[[], QdrantClient],
        *,
        place: str,
        alias: str,
        dimensions: int,
        clock: Callable[[], datetime] = utcnow,
    ) -> None:
        self._connect = connect
        self._place = place
        self._alias = alias
        self._dimensions = dimensions
        self._clock = clock

    @classmethod
    def at(cls, url: str, *, api_key: str | None, alias: str, dimensions: int) -> ServerIndex:
        """The index on the server at a URL; connects with the first operation."""

        def connect() -> QdrantClient:
            from qdrant_client import QdrantClient

            return QdrantClient(url=url, api_key=api_key, timeout=TIMEOUT_SECONDS, check_compatibility=False)

        return cls(connect, place=url, alias=alias, dimensions=dimensions)

    def publish(self, wanted: Mapping[str, str], load: Load, *, schema: str, force: bool = False) -> PublishReport:
        schema = contract.stored_schema(schema)
        version = contract.data_version(schema, wanted)
        target = self._collection(f"{self._alias}-{hashlib.sha256(schema.encode()).hexdigest()[:12]}")
        new = Generation(
            name=f"{target.name}@{version[:8]}",
            created_at=self._clock(),
            schema=schema,
            passages=len(wanted),
            data_version=version,
        )
        with translated(self._place):
            live = self._live_name()
            state = self._collection(live).finish_undoing() if live else State()
            held, now = state.held, state.generation
            if now and held and held.data_version == version and not force:
                return contract.PublishReport.holding(held.name, now.name, now.data_version, now.passages)
            target.ensure()
            changes = contract.Changes.between(target.fingerprints(), wanted)
            if live == target.name and not changes and now and now.name == new.name:
                return changes.report(new.name, version)
            state = target.begin(changes, new) if live == target.name else target.begin_anew(live)
            for batch in points.load_batches(changes, wanted, load, self._dimensions):
                fencing.check()
                target.upsert(batch)
            fencing.check()
            target.delete(changes.removed)
            target.complete(state, new)
            self._switch(live, target.name)
            self._clean_up(target)
        told = changes if live == target.name else contract.Changes.between({}, wanted)
        superseded = held.name if held and held.data_version != version else None
        return told.report(new.name, version, superseded=superseded)

    def search(
        self, text: str, vector: np.ndarray, k: int, *, filters: Filters = contract.EVERYTHING, depth: int | None = None
    ) -> list[Passage]:
        from qdrant_client import models

        condition, depth = filter_of(filters), depth or points.candidates(k)
        rankings: dict[str, Any] = {points.DENSE: vector.tolist()}
        words = points.bm25().embed_query(text)
        if words.indices:
            rankings[points.SPARSE] = models.SparseVector(indices=words.indices, values=words.values)
        with translated(self._place):
            found = self._client.query_points(
                self._alias,
                prefetch=[
                    models.Prefetch(query=query, using=using, filter=condition, limit=depth)
                    for using, query in rankings.items()
                ],
                query=models.RrfQuery(rrf=models.Rrf(k=points.RRF_K)),
                limit=k,
                with_payload=True,
            ).points
            these = models.Filter(must=[models.HasIdCondition(has_id=[point.id for point in found])])
            requests = [
                models.QueryRequest(query=query, using=using, filter=these, limit=k)
                for using, query in rankings.items()
            ]
            scored = self._client.query_batch_points(self._alias, requests) if found else []
        by_meaning, by_words = [*(response.points for response in scored), [], []][:2]
        return points.ranked(found, by_meaning, by_words)

    def neighbours(self, spans: Sequence[Span]) -> list[list[Passage]]:
        with translated(self._place):
            records = self._client.retrieve(self._alias, points.span_ids(spans), with_payload=True)
        return points.as_spans(spans, [points.to_passage(record.id, record.payload or {}) for record in records])

    def vectors(self, chunk_ids: Sequence[str]) -> dict[str, np.ndarray]:
        with translated(self._place):
            records = self._client.retrieve(self._alias, [*chunk_ids], with_payload=False, with_vectors=[points.DENSE])
        found = {str(record.id): cast("dict[str, list[float]]", record.vector) for record in records}
        return {identity: np.asarray(vector[points.DENSE], np.float32) for identity, vector in found.items()}

    def facets(self) -> Facets:
        from qdrant_client import models

        with translated(self._place):
            return contract.Facets(
                authors=self._values("author"),
                kinds=self._values("kind"),
                platforms=self._values("platform"),
                languages=self._values("language"),
                published_from=self._first_date(models.Direction.ASC),
                published_until=self._first_date(models.Direction.DESC),
            )

    def generation(self) -> str | None:
        with translated(self._place):
            live = self._live_name()
            generation = self._collection(live).state().generation if live else None
        return generation.name if generation else None

    def status(self) -> IndexStatus:
        with translated(self._place):
            live = self._live_name()
            state = self._collection(live).state() if live else State()
            earlier = self._earlier(state)
        kept = [*earlier, state.generation] if state.generation else []
        return contract.IndexStatus(
            place=self._place,
            generation=state.generation.name if state.generation else None,
            held=state.held.name if state.held else None,
            generations=[_info(generation, live=generation is state.generation) for generation in kept],
            problem=UNFINISHED if state.pending or state.undoing else None,
        )

    def rollback(self, to: str | None = None) -> str:
        with translated(self._place):
            live = self._live_name()
            state = self._collection(live).state() if live else State()
            names = [generation.name for generation in self._earlier(state)]
            if live is None or not names:
                raise IndexUnavailable(f"{self._place} holds no earlier generation of {self._alias} to go back to.")
            if to is not None and to not in names:
                raise UnknownName(f"{self._place} holds no earlier generation {to}; it holds {', '.join(names)}.")
            while True:
                live, generation = self._back(live)
                if to in (None, generation):
                    return generation

    def count(self) -> int:
        with translated(self._place):
            return self._client.count(self._alias).count

    def close(self) -> None:
        if "_client" in self.__dict__:
            self._client.close()
            del self.__dict__["_client"]

    @cached_property
    def _client(self) -> QdrantClient:
        return self._connect()

    def _collection(self, name: str) -> Collection:
        return Collection(self._client, name, self._dimensions)

    def _live_name(self) -> str | None:
        """The collection that the alias means."""
        aliases = self._client.get_aliases().aliases
        return next((alias.collection_name for alias in aliases if alias.alias_name == self._alias), None)

    def _earlier(self, state: State) -> list[Generation]:
        """The generations that can be gone back to, oldest first."""
        within = [step.before for step in state.steps]
        if state.previous is None or not self._client.collection_exists(state.previous):
            return within
        before = self._collection(state.previous).state()
        return [*self._earlier(before), *([before.generation] if before.generation else []), *within]

    def _back(self, live: str) -> tuple[str, str]:
        """Goes back by one generation. Returns the live collection after it, and the generation's name."""
        collection = self._collection(live)
        state = collection.state()
        if state.steps:
            generation = collection.undo_last().generation
        else:
            before = self._collection(state.previous or "")
            generation = before.hold(state.held or state.generation).generation
            self._switch(live, before.name)
            live = before.name
        return live, generation.name if generation else live

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
        fencing.check()
        create = models.CreateAlias(collection_name=collection, alias_name=self._alias)
        operations: list[Any] = [models.CreateAliasOperation(create_alias=create)]
        if live is not None:
            operations.insert(0, models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=self._alias)))
        self._client.update_collection_aliases(change_aliases_operations=operations)

    def _clean_up(self, target: Collection) -> None:
        """Removes every collection of this index that nothing leads back to."""
        state = target.state()
        kept = {target.name, *(step.undo for step in state.steps)}
        if state.previous is not None and self._client.collection_exists(state.previous):
            before = self._collection(state.previous).state()
            kept |= {state.previous, *(step.undo for step in before.steps)}
        ours = re.compile(rf"{re.escape(self._alias)}-[0-9a-f]{{12}}(?:-undo-[0-9a-f]{{12}})?")
        for collection in self._client.get_collections().collections:
            if ours.fullmatch(collection.name) and collection.name not in kept:
                self._client.delete_collection(collection.name)


def _info(generation: Generation, *, live: bool) -> GenerationInfo:
    return contract.GenerationInfo(
        name=generation.name,
        created_at=generation.created_at,
        schema=generation.schema,
        passages=generation.passages,
        data_version=generation.data_version,
        live=live,
    )
