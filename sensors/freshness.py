"""New material makes the current model stale; this sensor has the next one trained."""

from datetime import timedelta

import dagster as dg
import msgspec

from resources import ArtifactsResource, WarehouseResource
from sensors import history
from twin import retraining
from twin.errors import TwinError
from twin.records import utcnow
from twin.settings import AwsSettings, FeedbackSettings, HomeSettings, RetrainingSettings, TrainingSettings, read

__all__ = ["attempts", "limits", "model_freshness", "spending"]

POLL_SECONDS = 30
TRAINING_JOBS = ("train", "everything")
MODEL = dg.AssetKey("fine_tuned_model")
LOOKED_AT = 12
"""So many of the last runs tell how often training failed in a row; the pause is at its longest before that."""
FAILED = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


@dg.sensor(
    job_name="train",
    minimum_interval_seconds=POLL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Launches `train` when there is enough that the current model has not seen (RETRAIN_*).",
)
def model_freshness(
    context: dg.SensorEvaluationContext, artifacts: ArtifactsResource, warehouse: WarehouseResource
) -> dg.RunRequest | dg.SkipReason:
    """One run for the same data, model and attempt; none while one trains, or shortly after one that failed.

    The cursor holds what was found to be new, for as long as data, model and settings stay as they are.
    """
    settings, said = read(RetrainingSettings), read(FeedbackSettings)
    if not settings.enabled:
        return dg.SkipReason("Training starts by hand alone (RETRAIN_AUTOMATICALLY is off).")
    for line in history.end_dead_runs(context.instance):
        context.log.warning(line)
    watch, now = retraining.remembered(context.cursor), utcnow()
    try:
        watch = retraining.look(artifacts.store, warehouse.client.ratings, read(TrainingSettings), said, watch, now=now)
    except TwinError as error:
        return dg.SkipReason(error.message)
    context.update_cursor(msgspec.json.encode(watch).decode())
    decision = retraining.decide(
        watch.material, attempts(context.instance), limits(settings, said), now=now, forbidden=spending()
    )
    if not decision.launch:
        return dg.SkipReason(decision.reason)
    context.log.info(decision.reason)
    return dg.RunRequest(run_key=decision.run_key, tags={"launched_because": decision.reason})


def attempts(instance: dg.DagsterInstance) -> retraining.Attempts:
    """How training went lately, by Dagster's record of runs."""
    failures, ended_at = 0, None
    for record in _last_runs(instance):
        if record.dagster_run.status in history.UNFINISHED:
            return retraining.Attempts(running=record.dagster_run.run_id)
        if record.dagster_run.status not in FAILED:
            break
        failures += 1
        ended_at = ended_at or record.update_timestamp
    return retraining.Attempts(failures=failures, ended_at=ended_at)


def _last_runs(instance: dg.DagsterInstance) -> list[dg.RunRecord]:
    """The last runs that train, those that have not ended before all others, the newest first.

    A part of `everything` that makes no model is none of them.
    """
    found = [
        record
        for job in TRAINING_JOBS
        for statuses in (history.UNFINISHED, None)
        for record in instance.get_run_records(dg.RunsFilter(job_name=job, statuses=statuses), limit=LOOKED_AT)
        if MODEL in (record.dagster_run.asset_selection or {MODEL})
    ]
    return sorted(found, key=lambda one: (one.dagster_run.status in history.UNFINISHED, one.create_timestamp))[::-1]


def limits(settings: RetrainingSettings, said: FeedbackSettings) -> retraining.Limits:
    """What the settings say of when training is due."""
    return retraining.Limits(
        min_samples=settings.min_samples,
        at_samples=settings.at_samples,
        after=timedelta(days=settings.after_days),
        min_pairs=said.min_pairs,
    )


def spending() -> str:
    """Why training may not be started by itself for what it costs; empty where it costs nothing, or a budget is set.

    What the budget has left is asked when the job is submitted, where its price is known.
    """
    if read(HomeSettings).deployment == "aws" and read(AwsSettings).budget_usd is None:
        return "a job on AWS costs money, which nothing may spend by itself without a budget (BUDGET_MONTHLY_USD)."
    return ""
