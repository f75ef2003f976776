"""What `make down` stops: the supervisor that holds the lock, and nobody else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from llm_twin_dagster.stack import stop_running
from twin.home import Home, RunState

if TYPE_CHECKING:
    from pathlib import Path


def test_a_process_that_has_a_dead_supervisors_id_is_not_stopped(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.write_run_state(RunState(pid=os.getpid()))  # stopping it would end this very test run
    assert stop_running(home) is False
    home.lock.touch()
    assert stop_running(home) is False
