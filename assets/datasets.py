"""Training data made from the author's own passages."""

import dagster as dg

from assets.collection import cleaned_documents
from assets.describe import OWNER, counted, publishing, stopwatch, table
from assets.features import chunks
from resources import ArtifactsResource, BaseModelResource, CacheResource, WarehouseResource
from twin import datasets, prompts
from twin.records import Chunk
from twin.settings import TrainingSettings, read

__all__ = ["ASSETS", "CHECKS", "instruct_dataset"]

GROUP = "datasets"


@dg.asset(
    deps=[cleaned_documents, chunks],
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
    cache: CacheResource,
) -> dg.MaterializeResult:
    """Instructions that a language model wrote for the author's own passages, split by document."""
    settings, store = read(TrainingSettings), artifacts.store
    writer = base_model.writer()
    with stopwatch() as watch:
        dataset = datasets.build(
            store.dataset("chunks", Chunk).rows(),
            writer.opened,
            writer_name=writer.name,
            cache=datasets.InstructionCache(cache.folder("instructions")),
            cap=settings.max_samples,
            test_share=settings.test_share,
            seed=settings.seed,
            on_progress=lambda done, todo: context.log.info(f"{done} of {todo} instructions"),
        )
        with publishing(context, warehouse.client):
            manifest = datasets.publish(store, dataset)
    preview = [
        {
            "split": s.split,
            "author": s.author,
            "instruction": s.instruction,
            "answer": s.answer,
            "context": len(s.context),
        }
        for s in (*dataset.test[:3], *dataset.train)
    ]
    return dg.MaterializeResult(
        data_version=dg.DataVersion(dataset.version),
        metadata={
            **counted(
                train=manifest.train,
                test=manifest.test,
                with_context=manifest.with_context,
                rejected=manifest.rejected,
                writer=manifest.writer,
                seconds=watch.seconds,
            ),
            "samples": table(preview),
            "dagster/row_count": manifest.train + manifest.test,
        },
    )


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
        description="More documents with prose are needed, or the writer's instructions were all rejected: the asset's "
        "metadata counts the reasons.",
    )


ASSETS = [instruct_dataset]
CHECKS = [no_leakage, both_splits_have_samples]
