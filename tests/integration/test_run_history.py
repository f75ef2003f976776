"""Runs whose process is gone, and runs of long ago, on a real Dagster instance."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg
import msgspec
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin

from assets.describe import NOTHING_NEW
from llm_twin_dagster import dagster_home
from sensors import history, housekeeping
from twin.home import Home
from twin.processes.identity import ProcessIdentity
from twin.settings import RetentionSettings, read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STARTED = dg.DagsterRunStatus.STARTED


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dagster_home.open_instance(Home(home)) as instance:
        yield instance


@dg.asset
def notes() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"documents": 1})


@dg.asset_check(asset=notes)
def has_notes() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


job = dg.Definitions(
    assets=[notes], asset_checks=[has_notes], jobs=[dg.define_asset_job("ingest", [notes])]
).resolve_job_def("ingest")


def started(instance: dg.DagsterInstance, process: ProcessIdentity | None) -> dg.DagsterRun:
    tags = {history.PROCESS: str(process)} if process else {}
    return instance.create_run_for_job(job, status=STARTED, tags=tags)


def dead_process() -> ProcessIdentity:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        identity = ProcessIdentity.of(child.pid)
        child.kill()
    return identity


def status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found
    return found.status


def test_only_runs_of_dead_processes_are_ended(instance: dg.DagsterInstance) -> None:
    killed, own, unknown = (started(instance, who) for who in (dead_process(), ProcessIdentity.own(), None))
    [line] = history.end_dead_runs(instance)
    assert killed.run_id in line
    assert "dead" in line
    assert status(instance, killed) is dg.DagsterRunStatus.FAILURE
    assert [status(instance, run) for run in (own, unknown)] == [STARTED, STARTED]
    assert history.end_dead_runs(instance) == []


def test_a_killed_run_that_was_to_be_canceled_is_canceled(instance: dg.DagsterInstance) -> None:
    run = started(instance, dead_process())
    instance.report_run_canceling(run)
    history.end_dead_runs(instance)
    assert status(instance, run) is dg.DagsterRunStatus.CANCELED


def test_across_containers_the_lock_tells(instance: dg.DagsterInstance) -> None:
    away = started(instance, msgspec.structs.replace(ProcessIdentity.own(), host="another-container"))
    assert history.end_dead_runs(instance) == []  # it has no lock that could be looked at
    program = (
        "import sys, dagster as dg; from sensors import history\n"
        "with history.executing(dg.DagsterInstance.get(), sys.argv[1]): print('in', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, away.run_id], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout
        assert child.stdout.readline() == "in\n"
        assert history.end_dead_runs(instance) == []
        child.kill()
    assert len(history.end_dead_runs(instance)) == 1
    assert status(instance, away) is dg.DagsterRunStatus.FAILURE


def test_housekeeping_says_what_it_did(instance: dg.DagsterInstance) -> None:
    run = started(instance, dead_process())
    with dg.build_sensor_context(instance=instance) as context:
        said = housekeeping(context)
        assert isinstance(said, dg.SkipReason)
        assert run.run_id in (said.skip_message or "")
        assert housekeeping(context) == dg.SkipReason("There is nothing to clear away.")


def test_a_run_that_waits_for_ever_is_canceled(instance: dg.DagsterInstance) -> None:
    location = RegisteredCodeLocationOrigin("anywhere")  # ty: ignore[abstract-class-instantiation]
    origin = RemoteRepositoryOrigin(location, "__repository__").get_job_origin("ingest")
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.QUEUED, remote_job_origin=origin)
    assert history.cancel_stuck_in_queue(instance, timedelta(hours=1)) == []
    assert len(history.cancel_stuck_in_queue(instance, timedelta(0))) == 1
    assert status(instance, run) is dg.DagsterRunStatus.CANCELED


def make(instance: dg.DagsterInstance, tags: dict[str, str] | None = None) -> str:
    result = job.execute_in_process(instance=instance, tags=tags)
    assert result.success
    return result.run_id


def test_of_runs_that_found_nothing_new_the_last_is_kept(instance: dg.DagsterInstance, home: Path) -> None:
    first = make(instance)
    idle = [make(instance, NOTHING_NEW) for _ in range(4)]
    databases = home / "dagster" / "history" / "runs"
    assert history.remove_old_runs(instance, read(RetentionSettings)) == 3
    assert {run.run_id for run in instance.get_runs()} == {first, idle[-1]}
    assert {path.stem for path in databases.glob("*.db")} == {"index", first, idle[-1]}
    assert {path.name for path in (home / "dagster" / "storage").iterdir()} == {first, idle[-1]}
    event = instance.get_latest_materialization_event(dg.AssetKey("notes"))
    assert event
    assert event.run_id == idle[-1]
    assert history.remove_old_runs(instance, read(RetentionSettings)) == 0


def test_old_runs_go_but_not_what_made_an_asset_as_it_is(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    _old, newest = make(instance), make(instance)
    assert history.remove_old_runs(instance, read(RetentionSettings)) == 0
    later = history.utcnow() + timedelta(days=31)
    monkeypatch.setattr(history, "utcnow", lambda: later)
    assert history.remove_old_runs(instance, read(RetentionSettings)) == 1
    assert [run.run_id for run in instance.get_runs()] == [newest]
