"""The supervisor: in order, back after a crash, and nothing left behind however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import psutil
import pytest
from pymongo import MongoClient

from llm_twin_dagster import services
from llm_twin_dagster.stack import Stack, borrow, stop_running
from llm_twin_dagster.status import examine
from twin import disk
from twin.deployment import addresses
from twin.errors import PlatformError
from twin.home import Home
from twin.processes import Child, alive, answers, free_port, wait_until

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
            assert addresses.mongo_uri(Home(home)) == urls["mongod"]
        with pytest.raises(PlatformError, match="without console"), borrow(Home(home), SERVICES, ignore):
            pytest.fail("a service that does not run was lent")
        assert alive(stack.running["mongod"].child.pid), "borrowing does not stop what it borrowed"


@pytest.mark.usefixtures("quiet_ports")
def test_a_service_that_hangs_is_started_again_at_the_same_address(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twin.processes.supervision.ASK_SECONDS", 0.2)
    monkeypatch.setattr("llm_twin_dagster.services.ASK_SECONDS", 1.0)
    with Stack(Home(home), SERVICES, ignore, patience=5.0) as stack:
        before, url = stack.running["console"], stack.urls["console"]
        for process in psutil.Process(before.child.pid).children(recursive=True):
            process.suspend()
        wait_until(lambda: stack.running["console"] is not before, what="another console", timeout=120)
        assert stack.urls["console"] == url
        assert answers(url + "/health/ready", timeout=10)
        assert not alive(before.child.pid)


@pytest.mark.usefixtures("quiet_ports")
def test_two_homes_that_start_at_once_keep_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wished = free_port()
    monkeypatch.setenv("CONSOLE_PORT", str(wished))
    program = SUPERVISOR.replace('["mongod"]', '["mongod", "console"]')
    homes = [Home(tmp_path / name) for name in ("a", "b")]
    stacks = [
        subprocess.Popen([sys.executable, "-c", program, str(home.root)], stdout=subprocess.PIPE, text=True)
        for home in homes
    ]
    try:
        for stack in stacks:
            assert stack.stdout is not None
            assert stack.stdout.readline().strip() == "up"
        consoles = [state.services["console"] for home in homes if (state := home.run_state())]
        assert len({console.url for console in consoles}) == 2
        assert f"http://127.0.0.1:{wished}" in {console.url for console in consoles}
        for console in consoles:
            assert answers(console.url + "/health/ready", 10, word=console.word)
    finally:
        for stack in stacks:
            stack.kill()
            stack.wait()
    for home in homes:
        wait_until(lambda home=home: not disk.is_locked(home.family, shared=True), what="the end", timeout=60)


@pytest.mark.usefixtures("quiet_ports")
def test_a_stack_listens_on_an_ipv6_address_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        free_port(0, "::1")
    except PlatformError:
        pytest.skip("this machine has no ::1")
    monkeypatch.setenv("TWIN_HOST", "::1")
    with Stack(Home(home), SERVICES, ignore) as stack:
        assert stack.urls["console"].startswith("http://[::1]:")
        assert answers(stack.urls["console"] + "/health/ready", timeout=10)


@pytest.mark.parametrize("place", ["/dev/null/home", "/proc/home"])
def test_a_home_that_cannot_be_written_is_named_with_the_reason(place: str) -> None:
    with (
        pytest.raises(PlatformError, match=rf"{place}.+cannot be.+to a folder"),
        Stack(Home(Path(place)), ["mongod"], ignore),
    ):
        pytest.fail("a stack without a home")


@pytest.mark.usefixtures("quiet_ports")
def test_a_stack_has_stopped_when_the_last_of_its_family_has_ended(home: Path) -> None:
    """A training is the child of a child; here the test's own process starts it, within the stack's environment."""
    told: list[str] = []
    with Stack(Home(home), ["mongod"], lambda name, line: told.append(line) if name == "stack" else None):
        training = Child("training", [sys.executable, "-c", "import time; time.sleep(5)"])
        wait_until(lambda: disk.is_locked(Home(home).family, shared=True), what="the family", timeout=30)
    assert training.poll() == 0
    assert any("waiting for processes that still end" in line for line in told)


@pytest.mark.usefixtures("quiet_ports")
def test_the_status_asks_each_service_and_knows_it_from_another(home: Path) -> None:
    place = Home(home)
    assert examine(place) == []
    with Stack(place, SERVICES, ignore):
        assert {service.name: service.state for service in examine(place)} == dict.fromkeys(SERVICES, "answers")
        state = place.run_state()
        assert state is not None
        console = msgspec.structs.replace(state.services["console"], word="said by another home's console")
        place.write_run_state(msgspec.structs.replace(state, services={**state.services, "console": console}))
        assert {service.name: service.state for service in examine(place)}["console"] == "does not answer"


def test_children_are_not_told_where_mongodb_was_when_they_started(home: Path) -> None:
    """They look it up each time: a mongod that comes back on another port is followed."""
    variables = services.environment(Home(home))
    assert "MONGODB_URI" not in variables


def test_stopping_when_nothing_runs_says_so(home: Path) -> None:
    assert stop_running(Home(home)) is False
