"""What is worth telling of how things are: each function gives the cases of one kind that stand, values by cause."""

from __future__ import annotations

import shutil
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING

from twin.registry.policy import gate_verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from twin.monitoring.drift import Report
    from twin.records import ModelVersion, Source
    from twin.serving.endpoint import EndpointStatus
    from twin.warehouse.looks import LastLook

__all__ = [
    "Cases",
    "awaiting_review",
    "compared_figures",
    "drifted",
    "failing_sources",
    "full_disk",
    "jumped_tokens",
    "slow_steps",
    "taken_out",
]

Cases = dict[str, dict[str, object]]

MANY = 5
"""More failing sources than these are told as one case: the network, not the sources, is what they have in common."""
GB = 10**9
FIGURES = {"perplexity": "perplexity", "chrf": "chrF", "support_with_passages": "supported"}
LEAST_RUNS = 5
LEAST_SECONDS = 60.0
"""A shorter step is not called slow, whatever it took before."""


def awaiting_review(versions: Sequence[ModelVersion], page: Callable[[ModelVersion], str | None]) -> Cases:
    """The newest version, if it waits for a person. `versions` are newest first."""
    newest = versions[0] if versions else None
    if newest is None or newest.review != "pending":
        return {}
    return {
        newest.version: {
            "version": newest.version,
            "model": newest.name,
            "since": f"{newest.created_at:%Y-%m-%d %H:%M} UTC" if newest.created_at else "lately",
            "verdict": gate_verdict(newest.manifest),
            "link": page(newest),
        }
    }


def failing_sources(
    sources: Sequence[Source], looks: Mapping[str, LastLook], now: datetime, longest: timedelta
) -> Cases:
    """The sources that could not be read whole for longer than `longest`."""
    failing = [
        (source, look, look.failing_since)
        for source in sources
        if (look := looks.get(source.id)) and look.failing_since and now - look.failing_since >= longest
    ]
    if len(failing) > MANY:
        since = min(since for _, _, since in failing)
        what, last = f"{len(failing):,} of {len(sources):,} sources", failing[0]
        shown = ", ".join(source.location for source, _, _ in failing[:3]) + ", ..."
        return {"many": _failing(what, shown, last[1], now - since)}
    return {source.id: _failing("A source", source.location, look, now - since) for source, look, since in failing}


def full_disk(folder: Path, least_gb: float) -> Cases:
    """The disk of a folder, if less than `least_gb` gigabytes are free on it."""
    usage = shutil.disk_usage(folder)
    if usage.free >= least_gb * GB:
        return {}
    values = {
        "free": f"{usage.free / GB:.1f}",
        "total": f"{usage.total / GB:,.0f}",
        "where": str(folder),
        "least": f"{least_gb:g}",
    }
    return {"disk": values}


def taken_out(status: EndpointStatus) -> Cases:
    """The versions that were taken out of service, by a person or by themselves."""
    serving = f"version {status.version}" if status.version and status.state != "Absent" else "nothing"
    return {
        f"{version} for {serving}": {
            "version": version,
            "serving": serving,
            "reason": status.message.partition("\n")[0],
        }
        for version in status.held
        if version != status.version
    }


def drifted(report: Report, page: str | None, *, retrains: bool) -> Cases:
    """What a report found, as one case a version and set of figures."""
    if not report.drifted:
        return {}
    names = ", ".join(row.figure for row in report.drifted)
    values: dict[str, object] = {
        "version": report.version,
        "findings": "; ".join(map(str, report.drifted)),
        "requests": f"{report.requests:,}",
        "reference": f"{report.reference_requests:,}",
        "consequence": "Training is launched because of it (DRIFT_RETRAINS)." if retrains else None,
        "link": page,
    }
    return {f"{report.version}: {names}": values}


def jumped_tokens(report: Report, factor: float) -> Cases:
    """Whether a request takes `factor` times as many tokens as when the version began."""
    if report.token_factor is None or report.token_factor < factor:
        return {}
    row = next((row for row in report.rows if row.figure == "tokens"), None)
    values: dict[str, object] = {
        "factor": f"{report.token_factor:.1f}",
        "now": f"{row.window:,.0f}" if row else None,
        "before": f"{row.reference:,.0f}" if row else None,
        "requests": f"{report.requests:,}",
    }
    return {str(report.version): values}


def compared_figures(metadata: Mapping[str, object], rival: str) -> str:
    """The tuned model's figures beside a rival's, in words; empty where there was no such rival."""
    told = []
    for figure, label in FIGURES.items():
        own, other = metadata.get(f"{figure}_tuned"), metadata.get(f"{figure}_{rival}")
        if isinstance(own, int | float) and isinstance(other, int | float):
            told.append(f"{label} {own:.2f} (it has {other:.2f})")
    return ", ".join(told)


def slow_steps(
    seconds: Mapping[str, float], before: Sequence[Mapping[str, float]], factor: float
) -> dict[str, dict[str, object]]:
    """The steps of a run that took `factor` times as long as in any of the runs before it, by name."""
    found: dict[str, dict[str, object]] = {}
    for step, took in seconds.items():
        earlier = [run[step] for run in before if step in run]
        if took < LEAST_SECONDS or len(earlier) < LEAST_RUNS or took < factor * max(earlier):
            continue
        found[step] = {
            "step": step,
            "factor": f"{took / max(max(earlier), 0.1):.1f}",
            "seconds": f"{took:.0f}",
            "slowest": f"{max(earlier):.1f}",
            "median": f"{median(earlier):.1f}",
            "runs": len(earlier),
        }
    return found


def _failing(what: str, sources: str, look: LastLook, since: timedelta) -> dict[str, object]:
    return {
        "what": what,
        "hours": int(since / timedelta(hours=1)),
        "sources": sources,
        "reason": look.error,
    }
