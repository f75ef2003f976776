"""What readers said of answers, as training data."""

import dagster as dg

from assets.describe import OWNER, counted, publishing, stopwatch, table
from resources import ArtifactsResource, WarehouseResource
from twin.cleaning import find_personal_data
from twin.datasets import feedback
from twin.settings import FeedbackSettings, read

__all__ = ["ASSETS", "CHECKS", "feedback_dataset", "interactions"]

GROUP = "datasets"

interactions = dg.AssetSpec(
    "interactions",
    description="Questions with their answers, and what readers said of them: MongoDB has them from the twin itself.",
    group_name="serving",
    kinds={"mongodb"},
    owners=[OWNER],
    code_version="1",
)


@dg.asset(deps=[interactions], group_name=GROUP, kinds={"json"}, owners=[OWNER], code_version=feedback.VERSION)
def feedback_dataset(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, artifacts: ArtifactsResource
) -> dg.MaterializeResult:
    """Pairs of an answer that a reader wants and one that they do not, each with the interactions it comes from."""
    with stopwatch() as watch:
        made = feedback.build(warehouse.client.ratings.rated(), daily_cap=read(FeedbackSettings).daily_cap)
        with publishing(context, warehouse.client):
            version = feedback.publish(artifacts.store, made)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(version),
        metadata={
            **counted(
                pairs=len(made.pairs),
                corrections=len(made.corrections),
                left_out=made.left_out,
                seconds=watch.seconds,
            ),
            "examples": table([_row(pair) for pair in made.pairs]),
            "dagster/row_count": len(made.pairs),
        },
    )


def _row(pair: feedback.FeedbackPair) -> dict[str, str]:
    return {
        "interactions": ", ".join(pair.interactions),
        "method": pair.method,
        "asked": pair.question,
        "chosen": pair.chosen,
        "rejected": pair.rejected,
    }


@dg.asset_check(asset=feedback_dataset, blocking=True)
def feedback_is_clean(artifacts: ArtifactsResource) -> dg.AssetCheckResult:
    """No pair holds a secret or personal data, and each says which interactions it comes from."""
    offenders = [
        pair.id
        for pair in feedback.current(artifacts.store).pairs
        if not pair.interactions or find_personal_data("\n".join((pair.question, pair.chosen, pair.rejected)))
    ]
    return dg.AssetCheckResult(
        passed=not offenders,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"offenders": table([{"pair": pair} for pair in offenders])},
    )


ASSETS = [interactions, feedback_dataset]
CHECKS = [feedback_is_clean]
