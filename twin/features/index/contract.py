"""The contract of the vector index, which every engine keeps, and the values that it speaks in."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from twin.errors import IndexUnavailable
from twin.records import content_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    import numpy as np

    from twin.records import Chunk, Passage

    Load = Callable[[Sequence[str]], Iterable[tuple[Chunk, np.ndarray]]]
    """Gives chunk and unit vector of the ids it is asked for."""

__all__ = [
    "EVERYTHING",
    "Changes",
    "Facets",
    "Filters",
    "GenerationInfo",
    "IndexStatus",
    "PublishReport",
    "Span",
    "VectorIndex",
    "data_version",
    "nothing_published",
    "stored_schema",
]

VERSION = "3"
"""Changes when the same chunks would be stored differently; part of every stored schema."""


class PublishReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a publication changed."""

    generation: str
    """The live generation after it."""
    added: int
    changed: int
    removed: int
    unchanged: int
    total: int
    data_version: str
    """Of the live generation. Changes exactly when the schema, or the set of passages with their fingerprints, does."""
    held: str | None = None
    """The generation that these passages make up, which a rollback took out of service: nothing was published."""
    superseded: str | None = None
    """The generation that had been held until now: something else has been published."""

    @classmethod
    def holding(cls, held: str, live: str, version: str, passages: int) -> PublishReport:
        """Nothing is published: generation `held` stays out of service, and `live` with its passages in it."""
        return cls(
            generation=live,
            added=0,
            changed=0,
            removed=0,
            unchanged=passages,
            total=passages,
            data_version=version,
            held=held,
        )


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Which passages may be found: those that fit every field that is set, and any one of that field's values."""

    authors: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes."""
    published_from: datetime | None = None
    """Earliest publication, inclusive. Passages without a date are not found when a bound is set."""
    published_until: datetime | None = None
    """Latest publication, inclusive."""
    documents: tuple[str, ...] = ()
    """Ids of the only documents to search."""
    excluded_documents: tuple[str, ...] = ()
    """Ids of documents not to search."""

    @classmethod
    def of(cls, author: str | None) -> Filters:
        """The passages of one author, or all."""
        return cls(authors=(author,)) if author is not None else EVERYTHING

    @property
    def keywords(self) -> dict[str, tuple[str, ...]]:
        """The accepted values by payload field, of the fields that are set."""
        values = {
            "author": self.authors,
            "kind": self.kinds,
            "platform": self.platforms,
            "language": self.languages,
            "document_id": self.documents,
        }
        return {field: accepted for field, accepted in values.items() if accepted}

    @property
    def published_bounds(self) -> dict[str, str]:
        """The range of `published_at` as both engines' range conditions take it."""
        bounds = {"gte": self.published_from, "lte": self.published_until}
        return {bound: moment.isoformat() for bound, moment in bounds.items() if moment is not None}


EVERYTHING = Filters()
"""No restriction."""


class Span(NamedTuple):
    """A run of passages of one document, both ends included. `first` may be below 0, `last` beyond the end."""

    document_id: str
    revision: int
    first: int
    last: int


class Facets(msgspec.Struct, frozen=True, kw_only=True):
    """What the live generation has passages of: how many for each value, most first."""

    authors: dict[str, int]
    kinds: dict[str, int]
    platforms: dict[str, int]
    languages: dict[str, int]
    published_from: datetime | None
    """The earliest publication; None when no passage has a date."""
    published_until: datetime | None
    """The latest publication."""


class GenerationInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One published generation that is still kept."""

    name: str
    created_at: datetime
    schema: str
    """What made its vectors: the embedding model and what else they depend on."""
    passages: int
    data_version: str
    live: bool


class IndexStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is published where."""

    place: str
    """A folder, or a server's URL."""
    generation: str | None
    """The live generation, None before the first publication."""
    held: str | None
    """The newest generation, when a rollback took it out of service; only different passages are published."""
    generations: list[GenerationInfo]
    """Those that are kept, oldest first."""
    problem: str | None = None
    """Why searches are not answered from the live generation, and what to do."""


class VectorIndex(Protocol):
    """Passages with their vectors, published as a whole and searched by meaning and by words at once.

    Safe to share between threads.
    """

    def publish(self, wanted: Mapping[str, str], load: Load, *, schema: str, force: bool = False) -> PublishReport:
        """Makes exactly the wanted passages searchable; work is proportional to what changed.

        After a rollback, the passages that were rolled back from are not published again by themselves: the report says
        that they are held. Passages that differ from those are published.

        Args:
            wanted: Fingerprint of every chunk that shall be in the index, by chunk id.
            load: Gives chunk and unit vector of the ids it is asked for: those that are new or changed.
            schema: Names what makes vectors comparable (embedding model, chunker). When it changes, all are loaded.
            force: Publishes what is held as well.

        Raises:
            ArtifactError: `load` left out a chunk, or gave one a vector that does not fit. The live index is unchanged
                (in process) or holds part of the new passages (server), and publishing again completes it.
            PublishConflict: Another process is publishing.
            IndexUnavailable: The server does not answer.
        """
        ...

    def search(
        self, text: str, vector: np.ndarray, k: int, *, filters: Filters = EVERYTHING, depth: int | None = None
    ) -> list[Passage]:
        """The k best passages, best first: dense and BM25 rankings, fused by reciprocal rank in the engine.

        Args:
            text: The question, for BM25; empty to rank by meaning alone.
            vector: The question's unit vector, shape (dimensions,).
            filters: Which passages may be found.
            depth: How many of each ranking are fused; by default twice k, at least 50. With k of twice that, all of
                both rankings come back.

        Raises:
            IndexUnavailable: Nothing has been published, or the server does not answer.
        """
        ...

    def neighbours(self, spans: Sequence[Span]) -> list[list[Passage]]:
        """The passages of each span that the live generation holds, in their order in the document, with a score of 0.

        A span of a revision that is no longer live gives none.
        """
        ...

    def vectors(self, chunk_ids: Sequence[str]) -> dict[str, np.ndarray]:
        """The unit vectors, shape (dimensions,), of those chunks that the live generation holds."""
        ...

    def facets(self) -> Facets:
        """What the live generation has passages of."""
        ...

    def generation(self) -> str | None:
        """The live generation, None before the first publication."""
        ...

    def status(self) -> IndexStatus:
        """What is published, and what can be gone back to."""
        ...

    def rollback(self, to: str | None = None) -> str:
        """Makes an earlier generation live again and returns its name: the one before the live one, or the named one.

        Raises:
            IndexUnavailable: There is no earlier generation.
            UnknownName: There is none of that name.
        """
        ...

    def count(self) -> int:
        """Passages in the live generation."""
        ...

    def close(self) -> None: ...


class Changes(NamedTuple):
    """The way from what is stored to what is wanted. Ids are sorted."""

    added: list[str]
    changed: list[str]
    removed: list[str]
    unchanged: int

    @classmethod
    def between(cls, stored: Mapping[str, str], wanted: Mapping[str, str]) -> Changes:
        common = stored.keys() & wanted.keys()
        changed = sorted(chunk for chunk in common if stored[chunk] != wanted[chunk])
        return cls(
            added=sorted(wanted.keys() - stored.keys()),
            changed=changed,
            removed=sorted(stored.keys() - wanted.keys()),
            unchanged=len(common) - len(changed),
        )

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def report(self, generation: str, version: str, *, superseded: str | None = None) -> PublishReport:
        return PublishReport(
            generation=generation,
            added=len(self.added),
            changed=len(self.changed),
            removed=len(self.removed),
            unchanged=self.unchanged,
            total=len(self.added) + len(self.changed) + self.unchanged,
            data_version=version,
            superseded=superseded,
        )


def stored_schema(schema: str) -> str:
    """A caller's schema with this module's own version."""
    return f"index {VERSION}; {schema}"


def data_version(schema: str, points: Mapping[str, str]) -> str:
    return content_hash(schema, *(part for item in sorted(points.items()) for part in item))


def nothing_published(place: str) -> IndexUnavailable:
    return IndexUnavailable(f"Nothing has been published to the index at {place} yet: run `llm-twin ingest PATH`.")
