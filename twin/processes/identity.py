"""Which process something belongs to, told so that it can be checked later, also by another process.

A process id alone says little: after the process has ended the system gives the number to another, and on another
machine or in another container it means something else. So the id goes with its start time, the boot that the start
time counts from, and the machine.
"""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec
import psutil

from twin.processes import alive

__all__ = ["ProcessIdentity"]


class ProcessIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """One process among all that ever ran anywhere."""

    host: str
    boot: str
    """Of the system; another after each restart of the machine."""
    space: str
    """Within which process ids count: each container has its own."""
    pid: int
    started: str
    """When it began, as its system counts."""

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity:
        """The process of this machine that has this id now."""
        return cls(host=platform.node(), boot=_boot(), space=_space(), pid=pid, started=_started(pid))

    @classmethod
    def own(cls) -> ProcessIdentity:
        """This process."""
        return cls.of(os.getpid())

    @classmethod
    def read(cls, text: str | None) -> ProcessIdentity | None:
        """What `str` wrote, or None for what is no identity."""
        with contextlib.suppress(msgspec.MsgspecError):
            return msgspec.json.decode(text or "", type=cls)
        return None

    def __str__(self) -> str:
        return msgspec.json.encode(self).decode()

    @property
    def state(self) -> Literal["alive", "dead", "elsewhere"]:
        """Whether it still runs, as far as that can be seen from here."""
        if self.host != platform.node():
            return "elsewhere"
        if self.boot != _boot():
            return "dead"
        if self.space != _space():
            return "elsewhere"
        return "alive" if alive(self.pid) and _started(self.pid) == self.started else "dead"


@cache
def _boot() -> str:
    """Another after each start of the machine. The time of the start would not do: it moves when the clock is set."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        asked = ["sysctl", "-n", "kern.bootsessionuuid"]
        return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    return ""


@cache
def _space() -> str:
    with contextlib.suppress(OSError):
        return str(Path("/proc/self/ns/pid").readlink())
    return sys.platform


def _started(pid: int) -> str:
    """Empty for a process that is no more."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    with contextlib.suppress(psutil.Error):
        return f"{psutil.Process(pid).create_time():.0f}"
    return ""
