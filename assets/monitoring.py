"""How the twin does with its readers, beside how it did when the served version began."""

import dagster as dg

from assets.describe import OWNER, counted, picture, publishing, stopwatch, table
from assets.feedback import interactions
from resources import ArtifactsResource, WarehouseResource
from twin.monitoring.drift import charts, reading
from twin.records import utcnow
from twin.settings import DriftSettings, read

__all__ = ["ASSETS", "CHECKS", "monitoring_report"]


@dg.asset(deps=[interactions], group_name="monitoring", kinds={"mongodb"}, owners=[OWNER], code_version="1")
def monitoring_report(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, artifacts: ArtifactsResource
) -> dg.MaterializeResult:
    """The latest requests beside the first ones of the version that answers: what has drifted."""
    with stopwatch() as watch, publishing(context, warehouse.client):
        report = reading.make(warehouse.client, artifacts.store, read(DriftSettings), utcnow())
    context.log.info(report.told)
    past = [one for one in reading.history(artifacts.store) if one.rows]
    rows = [
        {
            "figure": row.label,
            "reference": round(row.reference, 4),
            "window": round(row.window, 4),
            "effect": round(row.effect, 3),
            "corrected p": f"{row.corrected:.2g}",
            "drift": "yes" if row.drifted else "no",
        }
        for row in report.rows
    ]
    return dg.MaterializeResult(
        data_version=dg.DataVersion(f"{report.version}-{report.ended}" if report.rows else report.state),
        metadata=counted(
            finding=report.told,
            state=report.state,
            version=report.version,
            requests=report.requests,
            reference_requests=report.reference_requests,
            seconds=watch.seconds,
            figures=table(rows, limit=len(rows)) if rows else None,
            how_sure=picture(charts.how_sure(report), "how sure each difference is") if rows else None,
            over_time=picture(charts.figures_over_time(past), "figures over time") if past else None,
        ),
    )


@dg.asset_check(asset=monitoring_report)
def no_drift(artifacts: ArtifactsResource) -> dg.AssetCheckResult:
    """No figure of questions and answers is other than when the served version began."""
    report = reading.latest(artifacts.store)
    return dg.AssetCheckResult(
        passed=report is None or not report.drifted,
        severity=dg.AssetCheckSeverity.WARN,
        description=report.told if report else None,
    )


ASSETS = [monitoring_report]
CHECKS = [no_drift]
