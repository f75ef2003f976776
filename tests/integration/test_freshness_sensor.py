"""The sensor that has the next model trained, on a real warehouse, artifact store and Dagster instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import msgspec
import pytest

from resources import all_resources
from sensors import model_freshness
from twin import datasets
from twin.datasets import InstructDataset, offered
from twin.deployment import Deployment
from twin.home import Home
from twin.records import Chunk, Interaction, utcnow
from twin.training import catalog
from twin.warehouse import Feedback, Warehouse

if TYPE_CHECKING:
    from pathlib import Path

    from twin.artifacts import ArtifactStore

PROSE = "Of {name} I noted that remark {name} holds well."


def said_of(name: str) -> str:
    """Prose that shares nothing with that of another name."""
    return " ".join(PROSE.format(name=f"{name}") for _ in range(6))


@pytest.fixture
def store(home: Path) -> ArtifactStore:
    return Deployment(Home(home)).artifacts


def write(store: ArtifactStore, *names: str) -> None:
    """Has the passages of just these documents, as `ingest` leaves them."""

    def passage(name: str) -> Chunk:
        return Chunk(
            id=f"{name}/1", document_id=name, revision=1, ordinal=0, text=said_of(name), token_count=80,
            title=name, url=f"/{name}", author="Ada",
        )  # fmt: skip

    store.dataset("chunks", Chunk).sync(
        dict.fromkeys(names, "1"), lambda wanted: [(name, [passage(name)]) for name in wanted]
    )


def train(store: ArtifactStore, address: str) -> None:
    """Leaves behind what the job `train` does, but for the weights: a dataset, and a model that names it."""
    dataset = InstructDataset(train=[], test=[], rejected={}, test_documents=frozenset(), writer=address)
    datasets.publish(store, dataset)
    offered.note(store, address, store.dataset("chunks", Chunk).fingerprints())
    manifest = {"dataset_version": address}
    store.write(f"folders/{catalog.folder_of(address)}/manifest.json", msgspec.json.encode(manifest))
    store.write(catalog.CURRENT, address.encode())


def tick(instance: dg.DagsterInstance, cursor: str | None = None) -> tuple[str | None, str, str | None]:
    """The key of the run that it launches, what it says, and its cursor."""
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources=all_resources()) as context:
        said = model_freshness(context)
        if isinstance(said, dg.RunRequest):
            return said.run_key, said.tags["launched_because"], context.cursor
        assert isinstance(said, dg.SkipReason)
        return None, said.skip_message or "", context.cursor


def names(kind: str, count: int) -> list[str]:
    return [f"{kind}{number}" for number in range(count)]


def test_new_material_is_trained_on_once_and_what_is_deleted_or_left_out_is_not_new(
    instance: dg.DagsterInstance, warehouse: Warehouse, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRAIN_AT_SAMPLES", "6")
    monkeypatch.setenv("RETRAIN_MIN_SAMPLES", "2")
    assert "no model yet" in tick(instance)[1]
    loaves = names("loaf", 70)
    write(store, *loaves)
    train(store, "first")
    _, said, cursor = tick(instance)
    assert said.startswith("Fresh")
    write(store, *loaves[10:])
    _, said, cursor = tick(instance, cursor)
    assert said.startswith("Fresh"), "what was deleted, and what now takes its place under the cap, is not new"

    write(store, *names("loaf", 4), *names("boat", 3))
    _, said, cursor = tick(instance, cursor)
    assert said.startswith("Not due: the model has not seen")
    write(store, *names("loaf", 4), *names("boat", 20))
    key, said, cursor = tick(instance, cursor)
    assert key
    assert "RETRAIN_AT_SAMPLES is 6" in said
    assert tick(instance, cursor)[0] == key, "the same key, of which Dagster launches one run"
    assert tick(instance)[0] == key, "also without its cursor"

    @dg.job(name="train")
    def training() -> None:
        """Stands for the job of that name; only its record counts."""

    run = instance.create_run_for_job(training, status=dg.DagsterRunStatus.STARTED)
    assert run.run_id in tick(instance, cursor)[1]
    instance.report_run_failed(run)
    assert "tried again in 60 minutes" in tick(instance, cursor)[1]
    train(store, "second")
    assert tick(instance, cursor)[1].startswith("Fresh")


def test_readers_pairs_start_a_training(
    instance: dg.DagsterInstance, warehouse: Warehouse, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEEDBACK_MIN_PAIRS", "2")
    write(store, *names("loaf", 4))
    train(store, "first")
    for number in range(2):
        assert tick(instance)[0] is None
        warehouse.interactions.record(
            Interaction(
                id=f"i{number}", trace_id="t", created_at=utcnow(), question="What holds well, of what I noted?",
                author="Ada", answer="It is.", status="answered",
            )
        )  # fmt: skip
        correction = said_of(f"loaf{number}")
        warehouse.ratings.keep(
            Feedback(id=f"f{number}", interaction_id=f"i{number}", reader="r", correction=correction, at=utcnow())
        )
    assert tick(instance)[1] == "Readers gave 2 new pairs of answers (FEEDBACK_MIN_PAIRS is 2)."
    warehouse.interactions.remove(["i0"])
    assert tick(instance)[0] is None


def test_it_can_be_turned_off_spends_no_money_and_bears_a_warehouse_that_is_away(
    instance: dg.DagsterInstance, warehouse: Warehouse, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRAIN_AT_SAMPLES", "1")
    write(store, *names("loaf", 4))
    train(store, "first")
    write(store, *names("loaf", 4), *names("boat", 9))
    assert tick(instance)[0]
    monkeypatch.setenv("RETRAIN_AUTOMATICALLY", "false")
    assert "RETRAIN_AUTOMATICALLY" in tick(instance)[1]
    monkeypatch.delenv("RETRAIN_AUTOMATICALLY")
    monkeypatch.setenv("MONGODB_URI", "mongodb://127.0.0.1:1/?directConnection=true")
    monkeypatch.setenv("MONGODB_TIMEOUT_SECONDS", "0.2")
    assert "does not answer" in tick(instance)[1]
