"""Children end with all that they started: when they are asked to, and when their parent is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from twin import disk
from twin.processes import Child, alive, wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.quiet

LINGERER = """
import os, signal, sys, time
def finish(*_):
    time.sleep(float(sys.argv[2]))
    open(sys.argv[1], "w").write("done")
    os._exit(0)
signal.signal(signal.SIGTERM, finish)
print(os.getpid(), flush=True)
time.sleep(600)
"""
"""Says its process id; when asked to end, finishes something first."""

PARENT = f"""
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", {LINGERER!r}, *sys.argv[1:]])
time.sleep(600)
"""
"""Ends at once when it is asked to, and leaves a lingerer behind."""

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


def first_line(child: Child) -> str:
    wait_until(lambda: bool(child.tail), what="the first line", timeout=30, child=child)
    return child.tail[0]


def test_stopping_waits_for_what_a_command_started_and_left_behind(tmp_path: Path) -> None:
    done = tmp_path / "done"
    child = Child("parent", [sys.executable, "-c", PARENT, str(done), "1"], grace=60)
    lingerer = int(first_line(child))
    child.stop()
    assert done.read_text() == "done"
    assert not alive(lingerer)


def test_what_does_not_end_in_its_grace_is_killed() -> None:
    child = Child("stubborn", [sys.executable, "-c", STUBBORN], grace=0.2)
    first_line(child)
    assert child.stop() == 128 + signal.SIGKILL


def test_orphans_have_their_own_grace(tmp_path: Path) -> None:
    done = tmp_path / "done"
    child = Child("parent", [sys.executable, "-c", PARENT, str(done), "30"], grace=60, orphan_grace=0.2)
    lingerer = int(first_line(child))
    child.kill()  # as the death of this process would
    assert not alive(lingerer)
    assert not done.exists()


def test_a_command_that_ends_by_itself_leaves_nobody_behind(tmp_path: Path) -> None:
    leaves = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}])"
    with Child("leaver", [sys.executable, "-c", leaves]) as child:
        assert child.wait(timeout=30) == 0


def test_a_family_is_there_until_its_last_grandchild_has_ended(tmp_path: Path) -> None:
    family = tmp_path / "family.lock"
    program = f"""
import sys
from twin.processes import Child, wait_until
child = Child("grandchild", [sys.executable, "-c", {LINGERER!r}, sys.argv[1], "1"], grace=60, orphan_grace=60)
wait_until(lambda: bool(child.tail), what="the grandchild", timeout=30)
print(child.pid, flush=True)
child.wait()
"""
    done = tmp_path / "done"
    child = Child("parent", [sys.executable, "-c", program, str(done)], env={"TWIN_FAMILY": str(family)})
    grandchild = int(first_line(child))
    assert disk.is_locked(family, shared=True)
    os.kill(child.pid, signal.SIGKILL)  # the guard, and with it the parent
    child.wait()
    wait_until(lambda: not disk.is_locked(family, shared=True), what="the family's end", timeout=60)
    assert done.read_text() == "done"
    assert not alive(grandchild)


def test_sigint_is_not_kept_from_a_command() -> None:
    asks = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    with Child("asker", [sys.executable, "-c", asks]) as child:
        child.wait(timeout=30)
        assert child.tail == ["True"]


def test_a_child_asked_to_end_before_its_guard_listens_ends(tmp_path: Path) -> None:
    child = Child("late", [sys.executable, "-c", "import time; time.sleep(600)"], grace=5)
    assert child.stop() != 0


def test_a_killed_parent_takes_its_children_along(tmp_path: Path) -> None:
    program = f"""
import sys, time
from twin.processes import Child, wait_until
child = Child("stubborn", [sys.executable, "-c", {STUBBORN!r}], orphan_grace=0.5)
wait_until(lambda: bool(child.tail), what="stubborn", timeout=30)
print(child.pid, flush=True)
time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    guard = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    wait_until(lambda: not alive(guard), what="the guard's end", timeout=30)
