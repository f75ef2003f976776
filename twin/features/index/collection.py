"""A collection on a Qdrant server: its points, and the way back from every publication to the one before.

A publication within one schema changes the live collection in place. What it is about to change is first copied to a
collection of its own, the undo: the points as they were, and a mark for every point that was not there. Putting them
back makes the generation before live again. The work of both is proportional to what changed. The collection's metadata
says which generation it holds and where the undos of the last publications are.
"""

from __future__ import annotations

import uuid
from datetime import datetime  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from twin.features.index import points

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qdrant_client import QdrantClient, models

    from twin.features.index.contract import Changes
    from twin.features.index.points import IndexedPoint

__all__ = ["Collection", "Generation", "State", "Step", "server_point"]

SCROLL_POINTS = 2_000
STATE = "index"
"""The key of the collection's metadata that this module owns."""
MOST_STEPS = 2
"""Publications that can be undone."""
ABSENT = "absent"
"""Marks a point of an undo that was not in the collection."""


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """What a collection holds, or held."""

    name: str
    created_at: datetime
    schema: str
    passages: int
    data_version: str


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A publication that can be undone."""

    before: Generation
    undo: str
    """The collection that keeps what it changed."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a collection."""

    generation: Generation | None = None
    """What it holds; None until it is filled for the first time."""
    steps: list[Step] = []
    """The last publications, oldest first."""
    pending: str | None = None
    """The undo of a publication that has begun and not ended."""
    undoing: bool = False
    """Whether a rollback of the last step has begun and not ended."""
    previous: str | None = None
    """The collection of the schema before this one."""
    held: Generation | None = None
    """The generation that a rollback took out of service."""


class Collection:
    """One collection. It exists from the first use of `ensure` on."""

    def __init__(self, client: QdrantClient, name: str, dimensions: int) -> None:
        self.name = name
        self._client = client
        self._dimensions = dimensions

    def ensure(self) -> None:
        """Makes the collection, with its indexes, if it is not there."""
        from qdrant_client import models

        if self._client.collection_exists(self.name):
            return
        self._create(self.name)
        for field in points.KEYWORD_FIELDS:
            self._client.create_payload_index(self.name, field, models.PayloadSchemaType.KEYWORD)
        for field in points.DATETIME_FIELDS:
            self._client.create_payload_index(self.name, field, models.PayloadSchemaType.DATETIME)

    def state(self) -> State:
        """What is known of it."""
        metadata = self._client.get_collection(self.name).config.metadata or {}
        return msgspec.convert(metadata.get(STATE, {}), State)

    def fingerprints(self) -> dict[str, str]:
        """Fingerprint of every point, by id."""
        return {
            str(record.id): (record.payload or {}).get("fingerprint", "")
            for record in self._scroll(self.name, payload=["fingerprint"])
        }

    def upsert(self, batch: Sequence[IndexedPoint]) -> None:
        """Adds points, or replaces those of the same ids."""
        self._client.upsert(self.name, [server_point(point) for point in batch], wait=True)

    def delete(self, identities: Sequence[str]) -> None:
        """Removes the points of these ids."""
        for some in _batches(identities):
            self._client.delete(self.name, [*some], wait=True)

    def begin(self, changes: Changes, new: Generation) -> State:
        """Keeps what a publication is about to change, and remembers that it has begun.

        Goes on with the undo of a publication that was interrupted: what that kept is older, and stays.
        """
        state = self.state()
        if state.generation is None or state.generation.name == new.name:
            return state
        undo = state.pending or f"{self.name}-undo-{uuid.uuid4().hex[:12]}"
        if not self._client.collection_exists(undo):
            self._create(undo, searchable=False)
        state = self._save(replace(state, pending=undo))
        for some in _batches([*changes.added, *changes.changed, *changes.removed]):
            kept = {str(record.id) for record in self._client.retrieve(undo, some, with_payload=False)}
            new_ones = [identity for identity in some if identity not in kept]
            if new_ones:
                self._client.upsert(undo, self._as_they_are(new_ones), wait=True)
        return state

    def begin_anew(self, live: str | None) -> State:
        """Remembers that this collection, which is not live, is filled beside the live one."""
        return self._save(State(previous=live))

    def complete(self, state: State, new: Generation) -> None:
        """Remembers that a publication that was begun is complete."""
        steps = state.steps
        if state.pending and state.generation:
            steps = [*steps, Step(before=state.generation, undo=state.pending)]
        self._save(State(generation=new, steps=steps[-MOST_STEPS:], previous=state.previous))

    def undo_last(self) -> State:
        """Makes it hold the generation before the last publication again."""
        self._save(replace(self.state(), undoing=True))
        return self.finish_undoing()

    def finish_undoing(self) -> State:
        """The state after what was begun of a rollback is done."""
        state = self.state()
        if not state.undoing:
            return state
        if state.pending:  # newer than the step, so it goes first
            self._put_all_back(state.pending)
        *steps, last = state.steps
        self._put_all_back(last.undo)
        done = self._save(
            State(generation=last.before, steps=steps, previous=state.previous, held=state.held or state.generation)
        )
        for undo in filter(None, (state.pending, last.undo)):
            self._client.delete_collection(undo)
        return done

    def hold(self, held: Generation | None) -> State:
        """Remembers which generation a rollback to this collection took out of service."""
        return self._save(replace(self.state(), held=held))

    def _save(self, state: State) -> State:
        self._client.update_collection(self.name, metadata={STATE: msgspec.to_builtins(state)})
        return state

    def _put_all_back(self, undo: str) -> None:
        """Doing it again changes nothing."""
        page: list[models.Record] = []
        for record in self._scroll(undo, payload=True, vectors=True):
            page.append(record)
            if len(page) == points.BATCH_POINTS:
                self._put_back(page)
                page = []
        self._put_back(page)

    def _create(self, name: str, *, searchable: bool = True) -> None:
        from qdrant_client import models

        self._client.create_collection(
            name,
            vectors_config={points.DENSE: models.VectorParams(size=self._dimensions, distance=models.Distance.COSINE)},
            sparse_vectors_config={points.SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)},
            hnsw_config=None if searchable else models.HnswConfigDiff(m=0),
        )

    def _as_they_are(self, identities: list[str]) -> list[models.PointStruct]:
        from qdrant_client import models

        found = self._client.retrieve(self.name, identities, with_payload=True, with_vectors=True)
        there = {str(record.id) for record in found}
        marks = [
            models.PointStruct(id=uuid.UUID(identity), vector={}, payload={ABSENT: True})
            for identity in identities
            if identity not in there
        ]
        return [_point_of(record) for record in found] + marks

    def _put_back(self, records: Sequence[models.Record]) -> None:
        absent = [record.id for record in records if (record.payload or {}).get(ABSENT)]
        present = [_point_of(record) for record in records if not (record.payload or {}).get(ABSENT)]
        if present:
            self._client.upsert(self.name, present, wait=True)
        if absent:
            self._client.delete(self.name, [*absent], wait=True)

    def _scroll(self, name: str, *, payload: bool | list[str], vectors: bool = False) -> Iterator[models.Record]:
        offset = None
        while True:
            records, offset = self._client.scroll(
                name, limit=SCROLL_POINTS, offset=offset, with_payload=payload, with_vectors=vectors
            )
            yield from records
            if offset is None:
                return


def server_point(point: IndexedPoint) -> models.PointStruct:
    """A point as qdrant-client takes it."""
    from qdrant_client import models

    sparse = models.SparseVector(indices=point.sparse.indices, values=point.sparse.values)
    return models.PointStruct(
        id=uuid.UUID(point.id), vector={points.DENSE: point.dense, points.SPARSE: sparse}, payload=point.payload
    )


def _point_of(record: models.Record) -> models.PointStruct:
    from qdrant_client import models

    vector: Any = record.vector
    return models.PointStruct(id=record.id, vector=vector, payload=record.payload)


def _batches(identities: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(identities), points.BATCH_POINTS):
        yield [*identities[start : start + points.BATCH_POINTS]]
