"""From cleaned documents to the published index, in three incremental steps. Each does only what changed asks for."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from twin.artifacts import SyncReport
from twin.document_faults import LeftOut, attempt
from twin.features import chunking
from twin.features.ahead import Ahead
from twin.records import Chunk, EmbeddedChunk, content_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from twin.artifacts import ArtifactStore
    from twin.features.embedding import Embedder
    from twin.features.embedding_cache import EmbeddingCache
    from twin.features.index import PublishReport, VectorIndex
    from twin.warehouse import Warehouse

__all__ = ["CuttingReport", "chunk", "embed", "is_unit", "publish"]

UNIT_TOLERANCE = 1e-3


class CuttingReport(SyncReport, frozen=True, kw_only=True):
    """What one call of `chunk` did."""

    left_out: tuple[LeftOut, ...] = ()
    """Documents that could not be cut; none of their passages is in the dataset."""


def chunk(
    warehouse: Warehouse,
    store: ArtifactStore,
    embedder: Embedder,
    cache: EmbeddingCache | None = None,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> CuttingReport:
    """Brings the dataset `chunks` in step with the canonical cleaned documents. One that cannot be cut is left out.

    With a cache, passages are embedded into it while others are being cut, so that `embed` finds some done.
    """
    version = f"{chunking.VERSION}/{embedder.name}"
    inputs = {document: f"{hash_}/{version}" for document, hash_ in warehouse.cleaned.fingerprints().items()}
    left_out: list[LeftOut] = []

    with Ahead(embedder, cache) if cache else contextlib.nullcontext() as ahead:

        def derive(ids: Sequence[str]) -> Iterator[tuple[str, list[Chunk]]]:
            for document in warehouse.cleaned.read(ids):
                passages = attempt(document.url, "cut", partial(chunking.split, document, embedder))
                if isinstance(passages, LeftOut):
                    left_out.append(passages)
                    continue
                if ahead:
                    ahead.offer(passage.embedding_text for passage in passages)
                yield document.id, passages

        report = store.dataset("chunks", Chunk).sync(inputs, derive, on_progress=on_progress)
    return CuttingReport(**msgspec.structs.asdict(report), left_out=tuple(left_out))


def embed(
    store: ArtifactStore,
    embedder: Embedder,
    cache: EmbeddingCache | None = None,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> SyncReport:
    """Brings the dataset `embeddings` in step with `chunks`. With a cache, only texts that are new are embedded."""
    chunks = store.dataset("chunks", Chunk)
    inputs = {document: f"{print_}/{embedder.name}" for document, print_ in chunks.fingerprints().items()}

    def derive(ids: Sequence[str]) -> Iterator[tuple[str, list[EmbeddedChunk]]]:
        rows = list(chunks.rows(ids))
        texts = [row.embedding_text for row in rows]
        vectors = cache.embed(embedder, texts) if cache else embedder.embed(texts)
        by_document: dict[str, list[EmbeddedChunk]] = {document: [] for document in ids}
        for row, text, vector in zip(rows, texts, np.ascontiguousarray(vectors, dtype="<f4"), strict=True):
            by_document[row.document_id].append(
                EmbeddedChunk(
                    chunk_id=row.id, document_id=row.document_id, text_hash=content_hash(text), vector=vector.tobytes()
                )
            )
        return iter(by_document.items())

    return store.dataset("embeddings", EmbeddedChunk).sync(inputs, derive, on_progress=on_progress)


def publish(store: ArtifactStore, index: VectorIndex, embedder: Embedder, *, force: bool = False) -> PublishReport:
    """Publishes `chunks` with their `embeddings`; the index carries over what did not change.

    What a rollback took out of service is published again by `force` only.
    """
    chunks = store.dataset("chunks", Chunk)
    embeddings = store.dataset("embeddings", EmbeddedChunk)
    documents, wanted = {}, {}
    for row in chunks.rows():
        documents[row.id] = row.document_id
        wanted[row.id] = _fingerprint(row)

    def load(ids: Sequence[str]) -> Iterable[tuple[Chunk, np.ndarray]]:
        asked = set(ids)
        for shard in chunks.shards({documents[key] for key in asked}):
            rows = {row.id: row for row in shard if row.id in asked}
            for embedded in embeddings.rows({row.document_id for row in rows.values()}):
                if embedded.chunk_id in rows:
                    yield rows[embedded.chunk_id], embedded.array

    schema = f"{embedder.name}/{embedder.dimensions}; chunks {chunking.VERSION}"
    return index.publish(wanted, load, schema=schema, force=force)


def is_unit(vector: np.ndarray, dimensions: int) -> bool:
    """Whether a vector has the expected size and unit length; NaN and infinity do not."""
    return vector.shape == (dimensions,) and abs(float(np.linalg.norm(vector)) - 1.0) < UNIT_TOLERANCE


def _fingerprint(chunk: Chunk) -> str:
    """Changes when anything that the index stores of a passage changes."""
    published = chunk.published_at.isoformat() if chunk.published_at else None
    shown = (chunk.title, *chunk.heading_path, chunk.text)  # with where links lead, unlike what is embedded
    return content_hash(*shown, chunk.url, chunk.author, chunk.kind, chunk.platform, chunk.language, published)
