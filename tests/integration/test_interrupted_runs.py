"""A person who ends a command by Ctrl-C, a kill or a closed terminal has canceled its run; the run did not fail."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from llm_twin_dagster import dagster_home
from twin.home import Home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = "from llm_twin_dagster.cli import app; app()"
pytestmark = [pytest.mark.timeout(300), pytest.mark.quiet]


@pytest.fixture
def silent_server() -> Iterator[socket.socket]:
    """A server that accepts and never answers, so that a run is held in the middle of a step."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(200)
        yield server


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_an_ingest_that_is_ended_leaves_no_run_that_counts_as_running(
    home: Path, mongo_uri: str, mongo_database: str, silent_server: socket.socket, number: signal.Signals
) -> None:
    environment = {
        **os.environ,
        "MONGODB_URI": mongo_uri,
        "MONGODB_DATABASE": mongo_database,
        "TWIN_CONFIG": str(home / "none.yaml"),
        "COLLECTION_ALLOW_PRIVATE_ADDRESSES": "true",
        "COLLECTION_TIMEOUT_SECONDS": "300",
    }
    place = f"http://127.0.0.1:{silent_server.getsockname()[1]}/post"
    command = [sys.executable, "-c", PROGRAM, "ingest", place, "--author", "Ada"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as ingest:
        assert ingest.stderr
        silent_server.accept()
        ingest.send_signal(number)
        said = ingest.stderr.read()
    with dagster_home.open_instance(Home(home)) as instance:
        [run] = instance.get_runs()
        if number is signal.SIGKILL:
            from sensors import history

            assert run.status is dg.DagsterRunStatus.STARTED
            assert len(history.end_dead_runs(instance)) == 1
            return
        assert run.status is dg.DagsterRunStatus.CANCELED
    assert ingest.returncode == 130
    assert "Interrupted." in said
    assert "Traceback" not in said
    assert len(said.splitlines()) <= 2, said
