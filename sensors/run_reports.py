"""What Dagster's record of a run says that people are told: why it failed, what it made, which steps were slow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

from twin.alerts import conditions, wording
from twin.settings import AlertSettings, ModelSettings, read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resources import AlertsResource

__all__ = ["report_failure", "report_success"]

CHECK_FAILED = "DagsterAssetCheckFailedError"
COMPARED_RUNS = 20


def report_failure(alerts: AlertsResource, run: dg.DagsterRun, event: dg.DagsterEvent) -> None:
    """Tells of a failed run: once for each cause, however many runs fail of it until the job succeeds."""
    failed_step = getattr(event.event_specific_data, "first_step_failure_event", None)
    error = failed_step.step_failure_data.error if failed_step else None
    step = failed_step.step_key if failed_step else None
    link, job = alerts.run_page(run.run_id), run.job_name
    if error is not None and error.cls_name == CHECK_FAILED:
        checks = ", ".join(line.strip() for line in error.message.strip().splitlines()[1:])
        alerts.notifier.tell("check_failed", f"{job}/{checks}", job=job, checks=checks, link=link)
        return
    reason = _reason(error, event)
    alerts.notifier.tell(
        "run_failed",
        f"{job}/{step}: {reason}",
        job=job,
        step=step,
        reason=reason,
        launched=run.tags.get("launched_because"),
        link=link,
    )


def report_success(alerts: AlertsResource, instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Tells what a run made that people wait for, and that its job's failures are over."""
    for kind in ("run_failed", "check_failed"):
        alerts.notifier.over(kind, f"{run.job_name}/")
    made = _materialized(instance, run.run_id)
    if "registered_model" in made:
        _tell_trained(alerts, made)
    if "inference_endpoint" in made:
        _tell_deployed(alerts, made["inference_endpoint"], run.run_id)
    _tell_slow_steps(alerts, instance, run)


def _reason(error: Any, event: dg.DagsterEvent) -> str:
    """The innermost cause that is ours, else the innermost of all, in words that may be sent."""
    if error is None:
        return wording.safe(event.message or "") or "It ended without a reason."
    innermost = error
    while innermost.cause is not None and not wording.is_ours(innermost.cls_name):
        innermost = innermost.cause
    return wording.sayable_cause(innermost.cls_name or "Error", innermost.message)


def _materialized(instance: dg.DagsterInstance, run_id: str) -> dict[str, dict[str, Any]]:
    """The metadata of what a run made, by asset."""
    found = {}
    for record in instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records:
        if made := record.asset_materialization:
            found[made.asset_key.to_user_string()] = {name: value.value for name, value in made.metadata.items()}
    return found


def _tell_trained(alerts: AlertsResource, made: Mapping[str, Mapping[str, Any]]) -> None:
    registered, measured = made["registered_model"], made.get("model_evaluation", {})
    alerts.notifier.tell(
        "training_succeeded",
        str(registered["version"]),
        version=registered["version"],
        model=read(ModelSettings).name,
        verdict=registered.get("verdict", "unknown"),
        production=conditions.compared_figures(measured, "production"),
        base=conditions.compared_figures(measured, "base"),
        link=registered.get("page"),
    )


def _tell_deployed(alerts: AlertsResource, deployed: Mapping[str, Any], run_id: str) -> None:
    previous = deployed.get("previous")
    alerts.notifier.tell(
        "deployed",
        f"{deployed['version']} in {run_id}",
        version=deployed["version"],
        previous=f"version {previous}" if previous else "nothing",
        seconds=f"{deployed.get('seconds', 0):.0f}",
    )


def _tell_slow_steps(alerts: AlertsResource, instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    seconds = _step_seconds(instance, run.run_id)
    if max(seconds.values(), default=0) < conditions.LEAST_SECONDS:
        return
    succeeded = dg.RunsFilter(job_name=run.job_name, statuses=[dg.DagsterRunStatus.SUCCESS])
    earlier = [
        _step_seconds(instance, record.dagster_run.run_id)
        for record in instance.get_run_records(succeeded, limit=COMPARED_RUNS + 1)
        if record.dagster_run.run_id != run.run_id
    ]
    for step, values in conditions.slow_steps(seconds, earlier, read(AlertSettings).jump_factor).items():
        cause = f"{step} in {run.run_id}"
        alerts.notifier.tell("step_slow", cause, job=run.job_name, link=alerts.run_page(run.run_id), **values)


def _step_seconds(instance: dg.DagsterInstance, run_id: str) -> dict[str, float]:
    return {
        step.step_key: step.end_time - step.start_time
        for step in instance.get_run_step_stats(run_id)
        if step.start_time and step.end_time
    }
