"""Pairs of answers that preference training learns from."""

import dagster as dg

from assets.datasets import instruct_dataset
from assets.describe import OWNER, counted, publishing, stopwatch, table
from assets.feedback import feedback_dataset
from resources import ArtifactsResource, BaseModelResource, CacheResource, RegistryResource, WarehouseResource
from twin import datasets
from twin.datasets import feedback, preferences
from twin.evaluation import interview
from twin.settings import ModelSettings, TrainingSettings, read
from twin.training import recipes

__all__ = ["ASSETS", "CHECKS", "preference_dataset"]

GROUP = "datasets"
VERSION = f"{preferences.VERSION}.{feedback.VERSION}"


@dg.asset(
    deps=[instruct_dataset, feedback_dataset],
    group_name=GROUP,
    kinds={"json"},
    owners=[OWNER],
    code_version=VERSION,
)
def preference_dataset(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    artifacts: ArtifactsResource,
    base_model: BaseModelResource,
    cache: CacheResource,
    registry: RegistryResource,
) -> dg.MaterializeResult:
    """The author's passages against what the current model answers, where the recipe has `dpo_steps`, and what readers
    wanted instead of an answer."""
    store, recipe = artifacts.store, recipes.from_settings(read(TrainingSettings))
    made = preferences.PreferenceDataset(pairs=[])
    with stopwatch() as watch:
        dataset = datasets.current(store)
        told = preferences.from_feedback(feedback.current(store), dataset, store)
        if recipe.dpo_steps:
            base = base_model.ensure()
            approved = registry.client.approved(read(ModelSettings).name)
            model = interview.in_production(store, approved, base) or interview.base_of(base)
            samples = dataset.train
            asked = interview.Interview(
                store, base, cache.folder("evaluation"), lambda progress: context.log.info(str(progress))
            )
            answers = asked.answers(model, [datasets.to_messages(sample)["prompt"] for sample in samples])
            said = [answer.text for answer in answers]
            made = preferences.build(samples, said, model=model.name, weights=model.weights)
        made = preferences.joined(made, told)
        with publishing(context, warehouse.client):
            version = preferences.publish(store, made)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(version),
        metadata={
            **counted(
                asked_for=bool(recipe.dpo_steps),
                pairs=len(made.pairs),
                left_out=made.left_out,
                rejected_by=made.model or None,
                sources=preferences.sources(made),
                seconds=watch.seconds,
            ),
            "examples": table([_row(pair) for pair in made.pairs]),
            "card": dg.MetadataValue.md(preferences.card(made)),
            "dagster/row_count": len(made.pairs),
        },
    )


def _row(pair: preferences.PreferencePair) -> dict[str, str]:
    return {
        "source": pair.source,
        "author": pair.author,
        "asked": pair.prompt[-1]["content"],
        "chosen": pair.chosen,
        "rejected": pair.rejected,
    }


@dg.asset_check(asset=preference_dataset, blocking=True)
def pairs_are_trained_on_only(artifacts: ArtifactsResource) -> dg.AssetCheckResult:
    """Every pair is of a sample that is trained on now, or of feedback that there is; none shows what is held out."""
    store = artifacts.store
    made, dataset = preferences.current(store), datasets.current(store)
    told = preferences.from_feedback(feedback.current(store), dataset, store)
    offenders = {pair.id for pair in made.pairs} - {pair.id for pair in made.of(dataset, told).pairs}
    return dg.AssetCheckResult(
        passed=not offenders,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"offenders": table([{"sample": sample} for sample in sorted(offenders)])},
    )


@dg.asset_check(asset=preference_dataset, blocking=True)
def has_pairs_where_asked_for(artifacts: ArtifactsResource) -> dg.AssetCheckResult:
    """A recipe with steps of preference training has pairs to take them with."""
    made, recipe = preferences.current(artifacts.store), recipes.from_settings(read(TrainingSettings))
    return dg.AssetCheckResult(
        passed=bool(made.pairs) or not recipe.dpo_steps,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"pairs": len(made.pairs), "dpo_steps": recipe.dpo_steps},
        description="Every pair was left out; the asset's metadata counts the reasons. Use a recipe with dpo_steps: 0.",
    )


ASSETS = [preference_dataset]
CHECKS = [pairs_are_trained_on_only, has_pairs_where_asked_for]
