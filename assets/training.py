"""The fine-tuned model, what it is worth, and its place in the registry."""

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg

from assets.datasets import instruct_dataset
from assets.describe import OWNER, counted, picture, publishing, stopwatch, table
from assets.features import vector_index
from assets.preferences import preference_dataset
from resources import (
    ArtifactsResource,
    BaseModelResource,
    CacheResource,
    EmbedderResource,
    RegistryResource,
    TrainerResource,
    VectorIndexResource,
    WarehouseResource,
)
from twin import datasets, training
from twin.artifacts.model_folder import weights_sha256
from twin.datasets import feedback, preferences
from twin.evaluation import assessment, charts, interview, tables
from twin.evaluation.gate import gate
from twin.evaluation.held_out import shown_by_twin
from twin.retrieval.ranking import open_reranker
from twin.retrieval.retriever import Retriever
from twin.settings import FeedbackSettings, ModelSettings, RagSettings, TrainingSettings, read
from twin.training import catalog, recipes
from twin.training.job import TrainingJob

__all__ = ["ASSETS", "CHECKS", "TrainingConfig", "fine_tuned_model", "model_evaluation", "registered_model"]

GROUP = "training"


class TrainingConfig(dg.Config):
    """How to train; the recipe itself is in the settings (TRAINING_*)."""

    spend_usd: float | None = None
    """What a person allows a job on SageMaker to cost; unset, it is BUDGET_MONTHLY_USD that allows."""
    force: bool = False
    """Train again although data, code, base model and recipe are those of an existing model."""


@dg.asset(
    deps=[instruct_dataset, preference_dataset],
    group_name=GROUP,
    kinds={"huggingface", "pytorch"},
    owners=[OWNER],
    code_version=training.VERSION,
    freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(days=60), warn_window=timedelta(days=30)),
)
def fine_tuned_model(
    context: dg.AssetExecutionContext,
    config: TrainingConfig,
    warehouse: WarehouseResource,
    artifacts: ArtifactsResource,
    base_model: BaseModelResource,
    trainer: TrainerResource,
) -> dg.MaterializeResult:
    """The base model fine-tuned with LoRA on the instruct dataset, merged and exported for serving."""
    store, dataset = artifacts.store, datasets.current(artifacts.store)
    told = preferences.from_feedback(feedback.current(store), dataset, store)
    pairs = preferences.current(store).of(dataset, told)
    recipe = recipes.from_settings(read(TrainingSettings))
    recipe = recipes.with_feedback(recipe, len(pairs.by_readers()), read(FeedbackSettings))
    with stopwatch() as watch, TemporaryDirectory() as folder:
        datasets.write_channels(dataset, Path(folder))
        job = TrainingJob(
            dataset_version=dataset.training_version,  # what is held out makes no other model
            base=base_model.ensure(),
            recipe=recipe,
            train=Path(folder, "train", "samples.jsonl"),
            test=Path(folder, "test", "samples.jsonl"),
            preference=preferences.write_channel(pairs, Path(folder)) if recipe.dpo_steps else None,
            preference_version=pairs.version if recipe.dpo_steps else "",
            run_id=context.run.run_id,
            spend_usd=config.spend_usd,
        )
        model = catalog.find_or_train(
            job,
            trainer.client,
            artifacts.store,
            force=config.force,
            on_progress=lambda progress: context.log.info(str(progress)),
        )
        with publishing(context, warehouse.client):
            model = catalog.publish(job, model, trainer.client, artifacts.store)
    context.log.info(f"{job.name} {'exists already: nothing changed' if model.reused else 'trained'}")
    metrics = {name: value for name, value in model.manifest["metrics"].items() if not isinstance(value, dict)}
    metrics["training_seconds"] = metrics.pop("seconds")
    return dg.MaterializeResult(
        data_version=dg.DataVersion(weights_sha256(model.manifest)),
        metadata=counted(
            job=job.name,
            folder=model.folder.name,
            reused=model.reused,
            base_model=job.base.name,
            dataset_version=dataset.version,
            training_version=dataset.training_version,
            preference_version=job.preference_version or None,
            hyperparameters=model.manifest["hyperparameters"],
            seconds=watch.seconds,
            **metrics,
            **model.ran,
        ),
    )


@dg.asset_check(asset=fine_tuned_model, blocking=True)
def model_files_are_whole(artifacts: ArtifactsResource) -> dg.AssetCheckResult:
    """Every file of the model is stored with the sha256 that its manifest names."""
    model = catalog.current(artifacts.store)  # raises ArtifactError for a missing or damaged file
    return dg.AssetCheckResult(
        passed=model.servable.exists(),
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"served_file": model.manifest["file"]},
    )


@dg.asset(
    deps=[fine_tuned_model, instruct_dataset, vector_index],
    group_name=GROUP,
    kinds={"huggingface"},
    owners=[OWNER],
    code_version=assessment.VERSION,
)
def model_evaluation(
    context: dg.AssetExecutionContext,
    artifacts: ArtifactsResource,
    base_model: BaseModelResource,
    cache: CacheResource,
    embedder: EmbedderResource,
    vector_index: VectorIndexResource,
    registry: RegistryResource,
) -> dg.MaterializeResult:
    """The tuned model beside its base and the model in production, on held-out passages, asked as the twin asks."""
    store, base, settings = artifacts.store, base_model.ensure(), read(TrainingSettings)
    rag = read(RagSettings)
    retriever = Retriever(lambda: embedder.model, lambda: vector_index.client, reranker=open_reranker(rag.reranker))
    with stopwatch() as watch:
        result = assessment.assess(
            store,
            base,
            settings,
            work=cache.folder("evaluation"),
            find=shown_by_twin(retriever, rag),
            production=interview.in_production(store, registry.client.approved(read(ModelSettings).name), base),
            on_progress=lambda progress: context.log.info(str(progress)),
        )
    scores, decision = result.scores, gate(result.scores, settings.gate_margin)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(result.key),
        metadata={
            **counted(
                **scores.as_metadata(),
                seconds=watch.seconds,
                model=result.model,
                verdict=decision.verdict,
                production=result.production,
            ),
            "gate": dg.MetadataValue.md(decision.as_markdown()),
            "gate_chart": picture(charts.gate_rows(decision.rows), "differences to base and production"),
            "figures": dg.MetadataValue.md(tables.figures_table(scores)),
            "authors": table(tables.authors_rows(scores)),
            "examples": dg.MetadataValue.md(tables.examples_table(scores.examples)),
        },
    )


@dg.asset_check(asset=model_evaluation, blocking=True)
def passes_the_gate(artifacts: ArtifactsResource) -> dg.AssetCheckResult:
    """On no guarded figure is the tuned model worse than its base or the model in production."""
    margin = read(TrainingSettings).gate_margin
    scores = assessment.latest(artifacts.store).scores
    decision = gate(scores, margin)
    return dg.AssetCheckResult(
        passed=decision.passed,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "verdict": decision.verdict,
            "perplexity_gain": scores.perplexity_gain,
            "margin": f"{margin:.1%}",  # as text: Dagster draws what is a number, and this is a line that never moves
            "reasons": dg.MetadataValue.json(decision.reasons),
            "table": dg.MetadataValue.md(decision.as_markdown()),
        },
        description=" ".join(decision.reasons) or None,
    )


@dg.asset(
    deps=[model_evaluation, fine_tuned_model], group_name=GROUP, kinds={"comet"}, owners=[OWNER], code_version="2"
)
def registered_model(
    context: dg.AssetExecutionContext, artifacts: ArtifactsResource, registry: RegistryResource
) -> dg.MaterializeResult:
    """The evaluated model in the registry, where a person reviews it. Nothing here approves."""
    latest = assessment.latest(artifacts.store)
    decision = gate(latest.scores, read(TrainingSettings).gate_margin)
    manifest = assessment.registry_manifest(artifacts.store, latest, decision)
    version = registry.client.register(read(ModelSettings).name, manifest)
    if version.review == "pending":
        context.log.info(f"version {version.version} awaits review: llm-twin models approve {version.version}")
    page = registry.page(version)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(f"{version.name}-{version.version}"),
        metadata=counted(
            version=version.version,
            review=version.review,
            verdict=decision.verdict,
            sha256=manifest["sha256"],
            uri=f"{artifacts.store.url}/{manifest['uri']}",
            page=dg.MetadataValue.url(page) if page else None,
        ),
    )


ASSETS = [fine_tuned_model, model_evaluation, registered_model]
CHECKS = [model_files_are_whole, passes_the_gate]
