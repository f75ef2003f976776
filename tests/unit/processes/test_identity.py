"""A process is known again, and no other is taken for it."""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec
import pytest

from twin.processes.identity import ProcessIdentity


def test_this_process_is_alive_and_stays_so_when_told_as_text() -> None:
    own = ProcessIdentity.own()
    assert own.pid == os.getpid()
    assert own.state == "alive"
    assert ProcessIdentity.read(str(own)) == own


def test_a_process_that_ended_is_dead() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        identity = ProcessIdentity.of(child.pid)
        assert identity.state == "alive"
        child.kill()
    assert identity.state == "dead"


@pytest.mark.parametrize(
    ("other", "state"),
    [
        ({"started": "1"}, "dead"),  # the number was given to another process
        ({"boot": "before"}, "dead"),
        ({"host": "elsewhere"}, "elsewhere"),
        ({"host": "elsewhere", "boot": "before"}, "elsewhere"),
        ({"space": "pid:[1]"}, "elsewhere"),
    ],
)
def test_the_same_number_alone_is_not_the_same_process(other: dict[str, str], state: str) -> None:
    assert msgspec.structs.replace(ProcessIdentity.own(), **other).state == state


@pytest.mark.parametrize("text", [None, "", "12345", "{}", '{"host": 1}', "\x00"])
def test_what_is_no_identity_is_none(text: str | None) -> None:
    assert ProcessIdentity.read(text) is None
