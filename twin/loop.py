"""The loop at a glance, as Dagster's web server tells it: what is fresh, what is due and why not yet, what runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from twin.dagster_client import LOCATION, REPOSITORY, ask
from twin.errors import ServiceUnavailable

__all__ = ["Aged", "Loop", "Running", "look"]

SENSOR = "model_freshness"
"""What decides whether the next model is due."""
FRESHNESS = {"HEALTHY": "fresh", "WARNING": "ageing", "DEGRADED": "stale", "UNKNOWN": "not known"}
UNFINISHED = ["QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING"]
QUERY = """query($sensor: SensorSelector!, $unfinished: RunsFilter!) {
  assetNodes { assetKey { path } freshnessStatusInfo { freshnessStatus } assetMaterializations(limit: 1) { timestamp } }
  sensorOrError(sensorSelector: $sensor) {
    __typename
    ... on Sensor { sensorState { status ticks(limit: 1) { status timestamp skipReason error { message } } } }
  }
  runsOrError(filter: $unfinished, limit: 20) {
    __typename
    ... on Runs { results { runId jobName status tags { key value } } }
  }
}"""


class Aged(msgspec.Struct, frozen=True, kw_only=True):
    """An asset that ages."""

    name: str
    freshness: str
    """`fresh`, `ageing`, `stale` or `not known`."""
    made_at: datetime | None

    @property
    def state(self) -> str:
        """Its freshness, or that there is none of it yet."""
        return self.freshness if self.made_at else "not made yet"


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A run that has not ended."""

    run: str
    job: str
    status: str
    because: str
    """Why it was launched, where it says so."""


class Loop(msgspec.Struct, frozen=True, kw_only=True):
    """How the loop is now."""

    assets: list[Aged] = []
    due: str = ""
    """What the sensor that trains said last: why training is due, or what is missing."""
    due_at: datetime | None = None
    running: list[Running] = []
    problem: str = ""
    """Why nothing is known; empty when all is."""

    @property
    def freshness(self) -> str:
        """All assets in a few words."""
        found = [f"{asset.name} is {asset.state}" for asset in self.assets if asset.freshness != "fresh"]
        return ", ".join(found) or f"all {len(self.assets)} assets that age are fresh"

    @property
    def runs(self) -> list[str]:
        """A line for each run."""
        return [
            f"{one.job} ({one.status.lower()}, run {one.run[:8]}){': ' if one.because else ''}{one.because}"
            for one in self.running
        ]


async def look(url: str | None) -> Loop:
    """The loop now. Where Dagster's web server does not answer, that is told instead of raised."""
    selector = {"repositoryLocationName": LOCATION, "repositoryName": REPOSITORY, "sensorName": SENSOR}
    try:
        found = await ask(url, QUERY, {"sensor": selector, "unfinished": {"statuses": UNFINISHED}})
    except ServiceUnavailable as error:
        return Loop(problem=error.message)
    due, due_at = _due(found["sensorOrError"])
    return Loop(
        assets=sorted((_aged(node) for node in found["assetNodes"] if _ages(node)), key=lambda asset: asset.name),
        due=due,
        due_at=due_at,
        running=[_running(run) for run in found["runsOrError"].get("results", ())],
    )


def _ages(node: dict[str, Any]) -> bool:
    return (node["freshnessStatusInfo"] or {}).get("freshnessStatus") in FRESHNESS


def _aged(node: dict[str, Any]) -> Aged:
    made = node["assetMaterializations"]
    return Aged(
        name="/".join(node["assetKey"]["path"]),
        freshness=FRESHNESS[node["freshnessStatusInfo"]["freshnessStatus"]],
        made_at=datetime.fromtimestamp(int(made[0]["timestamp"]) / 1000, UTC) if made else None,
    )


def _due(sensor: dict[str, Any]) -> tuple[str, datetime | None]:
    state = sensor.get("sensorState") or {}
    ticks = state.get("ticks") or []
    if state.get("status") == "STOPPED":
        return f"The sensor {SENSOR} is switched off in the Dagster UI.", None
    if not ticks:
        return f"The sensor {SENSOR} has not looked yet.", None
    tick = ticks[0]
    said = tick["skipReason"] or (tick["error"] or {}).get("message") or "Training was launched."
    return said.strip(), datetime.fromtimestamp(tick["timestamp"], UTC)


def _running(run: dict[str, Any]) -> Running:
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    return Running(run=run["runId"], job=run["jobName"], status=run["status"], because=tags.get("launched_because", ""))
