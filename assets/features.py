"""Passages, their vectors, and the index that answers from them."""

import logging
import time
from collections.abc import Callable
from typing import Any

import dagster as dg

from assets.collection import cleaned_documents
from assets.describe import KEPT_IN_STEP, OWNER, counted, publishing, stopwatch, table, tell_left_out
from resources import ArtifactsResource, EmbedderResource, VectorIndexResource, WarehouseResource
from twin.artifacts import SyncReport
from twin.features import chunking, pipeline
from twin.features.index import PublishReport
from twin.records import Chunk, EmbeddedChunk

__all__ = ["ASSETS", "CHECKS", "chunks", "embeddings", "vector_index"]

GROUP = "features"
TOLD_EVERY_SECONDS = 3.0


@dg.asset(
    deps=[cleaned_documents],
    group_name=GROUP,
    kinds={"parquet"},
    owners=[OWNER],
    code_version=chunking.VERSION,
    freshness_policy=KEPT_IN_STEP,
)
def chunks(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    artifacts: ArtifactsResource,
    embedder: EmbedderResource,
) -> dg.MaterializeResult:
    """Passages of 40 to 256 tokens, cut along the document's own structure."""
    with stopwatch() as watch, publishing(context, warehouse.client):
        report = pipeline.chunk(
            warehouse.client, artifacts.store, embedder.model, embedder.cache, on_progress=_progress(context)
        )
    preview = [
        {"title": chunk.title, "headings": " > ".join(chunk.heading_path), "tokens": chunk.token_count,
         "text": chunk.text}
        for chunk, _ in zip(artifacts.store.dataset("chunks", Chunk).rows(), range(8), strict=False)
    ]  # fmt: skip
    told = tell_left_out(context, report.left_out)
    return _result(report, watch.seconds, preview=table(preview), **told)


@dg.asset_check(asset=chunks, blocking=True)
def passages_fit(
    artifacts: ArtifactsResource, embedder: EmbedderResource, warehouse: WarehouseResource
) -> dg.AssetCheckResult:
    """No passage is empty or longer than the embedding model reads, and documents have passages."""
    limit = embedder.model.max_tokens
    count, offenders = 0, []
    for chunk in artifacts.store.dataset("chunks", Chunk).rows():
        count += 1
        if not chunk.text.strip() or chunk.token_count > limit:
            offenders.append(chunk.id)
    return dg.AssetCheckResult(
        passed=not offenders and (count > 0 or not warehouse.client.documents.count()),
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"passages": count, "limit": limit, "offenders": dg.MetadataValue.json(offenders[:50])},
    )


@dg.asset(
    deps=[chunks],
    group_name=GROUP,
    kinds={"parquet", "sentencetransformers"},
    owners=[OWNER],
    code_version="2",
    freshness_policy=KEPT_IN_STEP,
)
def embeddings(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    artifacts: ArtifactsResource,
    embedder: EmbedderResource,
) -> dg.MaterializeResult:
    """The vector of every passage."""
    with stopwatch() as watch, publishing(context, warehouse.client):
        report = pipeline.embed(artifacts.store, embedder.model, embedder.cache, on_progress=_progress(context))
    return _result(
        report,
        watch.seconds,
        model=embedder.model.name,
        runtime=embedder.model.describe_runtime().what,
        dimensions=embedder.model.dimensions,
    )


@dg.asset_check(asset=embeddings, blocking=True)
def one_vector_a_passage(artifacts: ArtifactsResource, embedder: EmbedderResource) -> dg.AssetCheckResult:
    """Every passage has exactly one vector, finite, of unit length and of the model's size."""
    wanted = {chunk.id for chunk in artifacts.store.dataset("chunks", Chunk).rows()}
    seen, offenders = set(), []
    for row in artifacts.store.dataset("embeddings", EmbeddedChunk).rows():
        if row.chunk_id in seen or not pipeline.is_unit(row.array, embedder.model.dimensions):
            offenders.append(row.chunk_id)
        seen.add(row.chunk_id)
    offenders += sorted(wanted ^ seen)
    return dg.AssetCheckResult(
        passed=not offenders,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"vectors": len(seen), "offenders": dg.MetadataValue.json(offenders[:50])},
    )


class PublishConfig(dg.Config):
    """Options of a publication of the index."""

    force: bool = False
    """Publish what `llm-twin index rollback` took out of service, too."""


@dg.asset(
    deps=[embeddings],
    group_name=GROUP,
    kinds={"qdrant"},
    owners=[OWNER],
    code_version="2",
    freshness_policy=KEPT_IN_STEP,
)
def vector_index(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    artifacts: ArtifactsResource,
    embedder: EmbedderResource,
    vector_index: VectorIndexResource,
    config: PublishConfig,
) -> dg.MaterializeResult:
    """The published generation of the hybrid index (dense and BM25); readers switch to it as a whole."""
    with stopwatch() as watch, publishing(context, warehouse.client):
        report = pipeline.publish(artifacts.store, vector_index.client, embedder.model, force=config.force)
    rollback = _rollback(report)
    context.log.log(
        logging.WARNING if rollback else logging.INFO, rollback or f"generation {report.generation} is live"
    )
    return dg.MaterializeResult(
        data_version=dg.DataVersion(report.data_version),
        metadata={
            **counted(
                generation=report.generation,
                added=report.added,
                changed=report.changed,
                removed=report.removed,
                unchanged=report.unchanged,
                seconds=watch.seconds,
            ),
            **({"rollback": rollback} if rollback else {}),
            "dagster/row_count": report.total,
        },
    )


@dg.asset_check(asset=vector_index, blocking=True)
def index_is_complete(artifacts: ArtifactsResource, vector_index: VectorIndexResource) -> dg.AssetCheckResult:
    """The published index holds as many points as there are passages, unless a rollback keeps an earlier one live."""
    status, points = vector_index.client.status(), vector_index.client.count()
    passages = artifacts.store.dataset("chunks", Chunk).count()
    return dg.AssetCheckResult(
        passed=status.problem is None and (points == passages or status.held is not None),
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "points": points,
            "passages": passages,
            **({"held": status.held} if status.held else {}),
            **({"problem": status.problem} if status.problem else {}),
        },
    )


def _rollback(report: PublishReport) -> str | None:
    """What became of a rollback of the index, if there was one."""
    if report.held:
        return (
            f"{report.held} stays out of service after a rollback, and {report.generation} is live. "
            "`llm-twin materialize vector_index --force` makes it live again."
        )
    if report.superseded:
        return f"{report.generation} is live; it ends the rollback from {report.superseded}, whose passages differ."
    return None


def _progress(context: dg.AssetExecutionContext) -> Callable[[int, int], None]:
    """Tells the log how far the work is, every few seconds."""
    told = time.monotonic()

    def tell(done: int, todo: int) -> None:
        nonlocal told
        if time.monotonic() - told >= TOLD_EVERY_SECONDS:
            told = time.monotonic()
            context.log.info(f"{done} of {todo} documents")

    return tell


def _result(report: SyncReport, seconds: float, **more: Any) -> dg.MaterializeResult:
    return dg.MaterializeResult(
        data_version=dg.DataVersion(report.data_version),
        metadata={
            **counted(
                documents_added=report.added,
                documents_changed=report.changed,
                documents_removed=report.removed,
                documents_unchanged=report.unchanged,
                seconds=seconds,
            ),
            **more,
            "dagster/row_count": report.rows,
        },
    )


ASSETS = [chunks, embeddings, vector_index]
CHECKS = [passages_fit, one_vector_a_passage, index_is_complete]
