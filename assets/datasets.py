"""Training data made from the author's own passages."""

import base64

import dagster as dg
import msgspec

from assets.collection import cleaned_documents
from assets.describe import OWNER, counted, publishing, stopwatch, table
from assets.features import chunks, vector_index
from resources import (
    ArtifactsResource,
    BaseModelResource,
    CacheResource,
    EmbedderResource,
    VectorIndexResource,
    WarehouseResource,
)
from twin import datasets, prompts
from twin.datasets import offered
from twin.evaluation import charts
from twin.records import Chunk, InstructSample
from twin.retrieval.ranking import open_reranker
from twin.retrieval.retriever import Retriever
from twin.settings import RagSettings, TrainingSettings, read

__all__ = ["ASSETS", "CHECKS", "instruct_dataset"]

GROUP = "datasets"
LEAST_LED_BACK, MOST_ALIKE = 0.85, 0.15


@dg.asset(
    deps=[cleaned_documents, chunks, vector_index],
    group_name=GROUP,
    kinds={"json"},
    owners=[OWNER],
    code_version=f"{datasets.VERSION}.{datasets.PROMPT_VERSION}.{prompts.VERSION}",
)
def instruct_dataset(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    artifacts: ArtifactsResource,
    base_model: BaseModelResource,
    embedder: EmbedderResource,
    vector_index: VectorIndexResource,
    cache: CacheResource,
) -> dg.MaterializeResult:
    """The author's own passages, each with an instruction that leads back to it, split by document."""
    settings, store = read(TrainingSettings), artifacts.store
    kept, reader = datasets.InstructionCache(cache.folder("instructions")), base_model.reader()
    documents = store.dataset("chunks", Chunk).fingerprints()
    teacher, (search, search_name, shown) = base_model.teacher(), _search(embedder, vector_index)
    with stopwatch() as watch:
        dataset = datasets.build(
            store.dataset("chunks", Chunk).rows(),
            search,
            datasets.InstructionWriter(teacher.opened, name=teacher.name, cache=kept, seed=settings.seed)
            if teacher
            else datasets.FewShot(reader, cache=kept, seed=settings.seed),
            cache=kept,
            reader=reader,
            shown=shown,
            search_name=search_name,
            cap=settings.max_samples,
            most_written=settings.max_samples if teacher else settings.written_samples,
            test_share=settings.test_share,
            seed=settings.seed,
            on_progress=context.log.info,
        )
        with publishing(context, warehouse.client):
            manifest = datasets.publish(store, dataset)
            offered.note(store, dataset.training_version, documents)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(dataset.version),
        metadata={
            **counted(
                **msgspec.to_builtins(datasets.statistics(dataset)),
                rejected=manifest.rejected,
                writer=manifest.writer,
                training_version=manifest.training_version,
                seconds=watch.seconds,
            ),
            "samples": table([_row(sample) for sample in (*dataset.test[:3], *dataset.train)]),
            "how instructions came about": dg.MetadataValue.md(_chart(dataset.samples)),
            "dagster/row_count": manifest.train + manifest.test,
        },
    )


def _search(
    embedder: EmbedderResource, vector_index: VectorIndexResource
) -> tuple[datasets.Search, str, datasets.Shown]:
    """The search that the twin answers from, its name, and what it shows for a question."""
    rag = read(RagSettings)
    reranker = open_reranker(rag.reranker)
    search = Retriever(lambda: embedder.model, lambda: vector_index.client, reranker=reranker)
    shown = datasets.Shown(top_k=rag.top_k, min_relevance=rag.min_relevance, min_similarity=rag.min_similarity)
    return search, f"{embedder.model.name} {reranker.name}", shown


def _chart(samples: list[InstructSample]) -> str:
    if not samples:
        return "There is no sample."
    return f"![Instructions](data:image/png;base64,{base64.b64encode(charts.instructions(samples)).decode()})"


def _row(sample: InstructSample) -> dict[str, str | float | None]:
    return {
        "split": sample.split,
        "author": sample.author,
        "method": sample.method,
        "rank": sample.rank,
        "pmi": None if sample.pmi is None else round(sample.pmi, 2),
        "instruction": sample.instruction,
        "answer": sample.answer,
        "context": len(sample.context),
    }


@dg.asset_check(asset=instruct_dataset, blocking=True)
def no_leakage(artifacts: ArtifactsResource) -> dg.AssetCheckResult:
    """No training sample comes from a held-out document, or shows or asks what is held out."""
    dataset = datasets.current(artifacts.store)
    held_out = artifacts.store.dataset("chunks", Chunk).rows(dataset.test_documents)
    offenders = datasets.leaks(dataset.train, dataset.test, held_out)
    return dg.AssetCheckResult(
        passed=not offenders,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"offenders": table([{"sample": leak.sample_id, "reason": leak.reason} for leak in offenders])},
    )


@dg.asset_check(asset=instruct_dataset, blocking=True)
def both_splits_have_samples(artifacts: ArtifactsResource) -> dg.AssetCheckResult:
    """There is something to learn from and something to be judged by."""
    dataset = datasets.current(artifacts.store)
    return dg.AssetCheckResult(
        passed=bool(dataset.train and dataset.test),
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"train": len(dataset.train), "test": len(dataset.test)},
        description="More documents with prose are needed, or no instruction leads back to its passage: the asset's "
        "metadata counts the reasons.",
    )


@dg.asset_check(asset=instruct_dataset)
def instructions_lead_back(artifacts: ArtifactsResource) -> dg.AssetCheckResult:
    """At least 85% of the chosen passages have an instruction that finds them, and at most 15% share a beginning."""
    figures = datasets.statistics(datasets.current(artifacts.store))
    return dg.AssetCheckResult(
        passed=figures.passages_with_one >= LEAST_LED_BACK and figures.beginning_share <= MOST_ALIKE,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=counted(
            passages_with_one=figures.passages_with_one,
            beginning=figures.beginning,
            beginning_share=figures.beginning_share,
        ),
    )


ASSETS = [instruct_dataset]
CHECKS = [no_leakage, both_splits_have_samples, instructions_lead_back]
