"""The supervisor: in order, back after a crash, and nothing left behind however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import psutil
import pytest
from pymongo import MongoClient

from llm_twin_dagster.stack import Stack, borrow, stop_running
from twin.errors import PlatformError
from twin.home import Home
from twin.processes import alive, answers, wait_until

if TYPE_CHECKING:
    from pathlib import Path

SERVICES = ["mongod", "console"]


@pytest.fixture
def quiet_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Free ports, so that a stack of the developer's may run beside the tests."""
    for name in ("TWIN_PORT", "CONSOLE_PORT", "DAGSTER_PORT"):
        monkeypatch.setenv(name, "0")
    for name in ("MONGODB_URI", "OPIK_URL_OVERRIDE", "COMET_URL_OVERRIDE", "COMET_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def ignore(_name: str, _line: str) -> None:
    """Nobody reads these logs; they are in TWIN_HOME/logs."""


@pytest.mark.usefixtures("quiet_ports")
def test_services_start_in_order_tell_where_they_are_and_stop_without_a_trace(home: Path) -> None:
    place = Home(home)
    with Stack(place, SERVICES, ignore) as stack:
        state = place.run_state()
        assert state is not None
        assert list(state.services) == SERVICES
        assert answers(stack.urls["console"] + "/health/ready", timeout=10)
        guards = [psutil.Process(running.child.pid) for running in stack.running.values()]
        pids = [process.pid for guard in guards for process in (guard, *guard.children(recursive=True))]
        assert len(pids) >= 2 * len(SERVICES), "each service and its guard"
    assert place.run_state() is None
    assert not any(alive(pid) for pid in pids)


@pytest.mark.usefixtures("quiet_ports")
def test_a_killed_mongod_comes_back_with_its_data_at_the_same_address(home: Path) -> None:
    place = Home(home)
    with Stack(place, ["mongod"], ignore) as stack:
        uri = stack.urls["mongod"]
        with MongoClient(uri, serverSelectionTimeoutMS=20_000) as client:
            client["kept"]["things"].insert_one({"_id": 1})
            watcher = threading.Thread(target=stack.watch)
            watcher.start()
            guard = psutil.Process(stack.running["mongod"].child.pid)
            for process in guard.children(recursive=True):
                process.kill()
            before = stack.running["mongod"]
            wait_until(lambda: stack.running["mongod"] is not before, what="mongod's restart", timeout=30)
            assert stack.urls["mongod"] == uri
            assert client["kept"]["things"].count_documents({}) == 1
        stack.request_stop()
        watcher.join()


SUPERVISOR = """
import sys, time
from pathlib import Path
from llm_twin_dagster.stack import Stack
from twin.home import Home
with Stack(Home(Path(sys.argv[1])), ["mongod"], lambda *_: None) as stack:
    print("up", flush=True)
    stack.watch()
"""


@pytest.mark.usefixtures("quiet_ports")
def test_a_killed_supervisor_leaves_no_orphans_and_does_not_block_the_next(home: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(home)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "up"
    pids = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    assert len(pids) >= 2, "the guard and mongod"

    process.send_signal(signal.SIGKILL)
    process.wait()

    wait_until(lambda: not any(alive(pid) for pid in pids), what="The orphans' end", timeout=20)
    assert Home(home).run_state() is None, "what a killed supervisor left behind does not count"
    with Stack(Home(home), ["mongod"], ignore):
        assert Home(home).run_state() is not None


@pytest.mark.usefixtures("quiet_ports")
def test_a_second_supervisor_of_the_same_home_is_told_who_has_it(home: Path) -> None:
    with (
        Stack(Home(home), ["mongod"], ignore),
        pytest.raises(PlatformError, match=rf"process {os.getpid()}.*make down"),
        Stack(Home(home), ["mongod"], ignore),
    ):
        pytest.fail("two supervisors of one home")


@pytest.mark.usefixtures("quiet_ports")
def test_a_command_borrows_what_runs_and_is_told_what_does_not(home: Path) -> None:
    with Stack(Home(home), ["mongod"], ignore) as stack:
        with borrow(Home(home), ["mongod"], ignore) as urls:
            assert urls["mongod"] == stack.urls["mongod"]
            assert os.environ["MONGODB_URI"] == urls["mongod"]
        assert "MONGODB_URI" not in os.environ
        with pytest.raises(PlatformError, match="without console"), borrow(Home(home), SERVICES, ignore):
            pytest.fail("a service that does not run was lent")
        assert alive(stack.running["mongod"].child.pid), "borrowing does not stop what it borrowed"


def test_stopping_when_nothing_runs_says_so(home: Path) -> None:
    assert stop_running(Home(home)) is False
