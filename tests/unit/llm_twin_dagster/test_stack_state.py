"""What `make down` stops: the supervisor that holds the lock, and nobody else; what is advised fits what runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from llm_twin_dagster.stack import borrow, only_supervisor, stop_running
from twin import disk
from twin.errors import PlatformError
from twin.home import Home, RunState

if TYPE_CHECKING:
    from pathlib import Path


def test_a_process_that_has_a_dead_supervisors_id_is_not_stopped(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.write_run_state(RunState(pid=os.getpid()))  # stopping it would end this very test run
    assert stop_running(home) is False
    home.lock.touch()
    assert stop_running(home) is False


def ignore(_name: str, _line: str) -> None:
    """Nothing is started here that could say something."""


def test_while_a_command_trains_nobody_is_advised_to_stop_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONGODB_URI", raising=False)
    home = Home(tmp_path)
    with disk.lock(home.lock):
        home.write_run_state(RunState(pid=os.getpid(), command="llm-twin materialize"))
        for refused in (
            lambda: borrow(home, ["mongod"], ignore).__enter__(),
            lambda: only_supervisor(home).__enter__(),
            lambda: stop_running(home),
        ):
            with pytest.raises(PlatformError, match=r"`llm-twin materialize`.*Wait until it has ended") as refusal:
                refused()
            assert "make " not in refusal.value.message
