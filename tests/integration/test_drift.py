"""From stored interactions to a report, an alert and a training run, over a real MongoDB."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import pytest

from assets.monitoring import monitoring_report, no_drift
from resources import all_resources
from sensors import drift
from twin.artifacts import ArtifactStore
from twin.deployment import Deployment
from twin.monitoring.drift import reading
from twin.records import Interaction, utcnow
from twin.warehouse import Warehouse
from twin.warehouse.feedback import Feedback

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REFERENCE, WINDOW = 120, 80


@pytest.fixture
def warehouse(home: Path, mongo_uri: str, mongo_database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    monkeypatch.setenv("MONGODB_URI", mongo_uri)
    monkeypatch.setenv("MONGODB_DATABASE", mongo_database)
    monkeypatch.setenv("DRIFT_REFERENCE_REQUESTS", str(REFERENCE))
    monkeypatch.setenv("DRIFT_MIN_REQUESTS", str(WINDOW))
    with Warehouse(mongo_uri, mongo_database) as warehouse:
        yield warehouse


def ask(warehouse: Warehouse, count: int, *, minute: int, nothing: float = 0.05, shift: float = 0.0) -> None:
    """So many interactions of the last day, a second apart."""
    rng, began = np.random.default_rng(minute), utcnow() - timedelta(hours=20) + timedelta(minutes=minute)
    for number in range(count):
        found = rng.random() >= nothing
        interaction = Interaction(
            id=f"{minute}-{number}",
            trace_id="",
            created_at=began + timedelta(seconds=number),
            question="What of engines?",
            author="Ada",
            answer="word " * int(rng.integers(20, 60)),
            status="answered" if found else "nothing_found",
            model_version="1.0.0" if found else None,
            usage={"prompt_tokens": int(rng.integers(400, 500)), "completion_tokens": 40},
            timings={"time_to_first_token": 300 + rng.normal(), "generation": 1500 + rng.normal()},
            vector=(rng.normal(size=16) + shift).astype(np.float16).tobytes(),
            relevance=float(rng.beta(6, 2)),
            support=float(rng.beta(8, 2)),
        )
        warehouse.interactions.record(interaction)


def materialized() -> tuple[dict[str, object], bool]:
    """The metadata of the report, and whether its check passed."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([monitoring_report, no_drift], resources=all_resources(), instance=instance)
        (made,) = result.asset_materializations_for_node("monitoring_report")
        (checked,) = result.get_asset_check_evaluations()
        return {name: value.value for name, value in made.metadata.items()}, checked.passed


def ticked() -> dg.RunRequest | dg.SkipReason:
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance, resources=all_resources()) as tick,
    ):
        said = drift(tick)
    assert isinstance(said, dg.RunRequest | dg.SkipReason)
    return said


def test_a_shift_becomes_a_report_an_alert_and_a_training_run(
    home: Path, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ArtifactStore(str(home / "artifacts"))
    assert materialized()[0]["state"] == "no requests"
    ask(warehouse, REFERENCE - 10, minute=0)
    assert materialized()[0]["state"] == "gathering the reference"
    ask(warehouse, 10, minute=5)
    ask(warehouse, WINDOW - 1, minute=10)
    metadata, _ = materialized()
    assert (metadata["state"], metadata["requests"]) == ("too few requests", WINDOW - 1)
    ask(warehouse, 1, minute=15)
    metadata, passed = materialized()
    assert (metadata["state"], metadata["finding"], passed) == (
        "compared",
        f"No drift in {WINDOW} requests of version 1.0.0.",
        True,
    )
    kept = reading.reference_of("1.0.0", store)
    assert isinstance(ticked(), dg.SkipReason)
    assert Deployment().notifier.outbox.all() == []

    ask(warehouse, 200, minute=20, nothing=0.6, shift=1.0)
    metadata, passed = materialized()
    assert not passed
    assert "nothing relevant" in str(metadata["finding"])
    assert "nearness of questions" in str(metadata["finding"])
    assert {"how_sure", "over_time", "figures"} <= set(metadata)
    assert isinstance(ticked(), dg.SkipReason)  # an alert, and no training unasked
    (alert,) = Deployment().notifier.outbox.all()
    assert (alert.kind, "Training" in alert.text) == ("drift", False)
    monkeypatch.setenv("DRIFT_RETRAINS", "true")
    request = ticked()
    assert isinstance(request, dg.RunRequest)
    assert request.tags["launched_because"] == metadata["finding"]
    again = ticked()
    assert isinstance(again, dg.RunRequest)
    assert again.run_key == request.run_key  # which Dagster launches once
    assert repr(reading.reference_of("1.0.0", store)) == repr(kept)  # a version's reference never changes


def test_ratings_are_those_of_the_readers(home: Path, warehouse: Warehouse) -> None:
    ask(warehouse, 2, minute=0)
    for reader, score in (("a", 0.0), ("b", 0.5)):
        said = Feedback(id=reader, interaction_id="0-0", reader=reader, score=score, at=utcnow())
        warehouse.ratings.keep(said)
    assert warehouse.ratings.means(["0-0", "0-1"]) == {"0-0": 0.25}
