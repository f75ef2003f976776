"""The sensor that has watched sources looked at, on a real warehouse and a real Dagster instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import pytest

from resources import all_resources
from sensors import approved_model, watched_sources
from twin.collection import ingestion
from twin.records import Source
from twin.settings import SourceSettings, read

if TYPE_CHECKING:
    from pathlib import Path

    from twin.warehouse import Warehouse


def tick(instance: dg.DagsterInstance, cursor: str | None = None) -> tuple[bool, str, str | None]:
    """Whether it launches, what it says, and its cursor."""
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources=all_resources())
    with context:
        said = watched_sources(context)
        if isinstance(said, dg.RunRequest):
            return True, said.tags["launched_because"], context.cursor
        assert isinstance(said, dg.SkipReason)
        return False, said.skip_message or "", context.cursor


def test_a_folder_is_read_when_it_is_new_and_again_soon_after_it_changed(
    instance: dg.DagsterInstance, warehouse: Warehouse, tmp_path: Path
) -> None:
    assert tick(instance)[:2] == (False, "The twin has no sources.")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.md").write_text("# Engines\n\nEngines turn heat into work.\n")
    notes = Source(kind="folder", location=str(tmp_path / "notes"), author="Ada")
    warehouse.sources.add([notes])
    launched, reason, cursor = tick(instance)
    assert (launched, reason) == (True, "1 of 1 sources are due")
    ingestion.ingest([notes], warehouse, read(SourceSettings))
    launched, _, cursor = tick(instance, cursor)
    assert not launched
    (tmp_path / "notes" / "b.md").write_text("# Looms\n\nLooms weave.\n")
    launched, reason, cursor = tick(instance, cursor)
    assert (launched, reason) == (False, "Local files are changing; waiting until they rest.")
    assert tick(instance, cursor)[:2] == (True, "local files have changed")


def test_nothing_is_launched_while_a_run_collects(instance: dg.DagsterInstance, warehouse: Warehouse) -> None:
    warehouse.sources.add([Source(kind="article", location="https://a.example/post")])

    @dg.job(name="ingest")
    def collecting() -> None:
        """Stands for the job of that name; only its record counts."""

    run = instance.create_run_for_job(collecting, status=dg.DagsterRunStatus.STARTED)
    launched, reason, _ = tick(instance)
    assert (launched, run.run_id in reason) == (False, True)
    instance.report_run_canceled(run)
    assert tick(instance)[0]


@pytest.mark.parametrize(
    "cursor", ["", "no JSON", "[]", '{"launched_at": 7}', '{"launched_at": "2020-01-01T00:00:00"}']
)
def test_a_cursor_that_another_version_wrote_is_begun_anew(
    instance: dg.DagsterInstance, warehouse: Warehouse, cursor: str
) -> None:
    warehouse.sources.add([Source(kind="article", location="https://a.example/post")])
    launched, _, written = tick(instance, cursor)
    assert launched
    assert not tick(instance, written)[0]


def test_without_a_stack_the_sensors_say_so(
    instance: dg.DagsterInstance, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MONGODB_URI", "COMET_URL_OVERRIDE", "COMET_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert "the local stack does not run" in tick(instance)[1]
    with dg.build_sensor_context(instance=instance, resources=all_resources()) as context:
        said = approved_model(context)
        assert isinstance(said, dg.SkipReason)
        assert "does not run" in (said.skip_message or "")


def test_watching_can_be_turned_off_and_bears_a_warehouse_that_is_down(
    instance: dg.DagsterInstance, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONGODB_URI", "mongodb://127.0.0.1:1/?directConnection=true")
    monkeypatch.setenv("MONGODB_TIMEOUT_SECONDS", "0.2")
    monkeypatch.setenv("TWIN_CONFIG", str(home / "none.yaml"))
    launched, reason, _ = tick(instance)
    assert (launched, "does not answer" in reason) == (False, True)
    monkeypatch.setenv("COLLECTION_WATCH_SECONDS", "0")
    assert "COLLECTION_WATCH_SECONDS" in tick(instance)[1]
