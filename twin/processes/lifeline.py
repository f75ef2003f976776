"""Runs one command and never outlives whoever asked for it. Run as a script; imports only the standard library.

    python lifeline.py GRACE ORPHAN_GRACE COMMAND...

Standard input is the lifeline: the parent holds the other end of the pipe and never writes to it. When the parent dies,
however it dies, the kernel closes the pipe, and this guard stops the command and all that it started. This works the
same on Linux and macOS, and unlike PR_SET_PDEATHSIG it does not fire when merely the starting *thread* ends.

The command and what it started get GRACE seconds to end when the parent asks (SIGTERM), ORPHAN_GRACE when it is gone.
While this guard lives it holds a shared lock on the file that TWIN_FAMILY names, if it names one: whoever gets that
lock for itself knows that the whole family has ended, grandchildren included.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from types import FrameType

POLL_SECONDS = 0.05
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def join_family() -> None:
    """Locks the family's file until this process ends. Where that cannot be, nobody waits for this process."""
    if path := os.environ.get("TWIN_FAMILY"):
        with contextlib.suppress(OSError):
            fcntl.flock(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_SH)


def adopt_orphans() -> None:
    """Where the kernel can (Linux), what the command leaves behind becomes this process's, which sees it end."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def tie_to_guard() -> None:
    """Where the kernel can (Linux), the command dies even when the guard itself is killed. The thread that starts it is
    the guard's main one, so the signal means the guard's end and nothing else."""
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Guard:
    """The command in a process group of its own, and when that group must have ended."""

    def __init__(self, command: list[str]) -> None:
        tie = tie_to_guard if sys.platform == "linux" else None
        self._child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            close_fds=False,  # what the parent handed down (a listening socket) is the command's
            preexec_fn=tie,
        )
        self._deadline = 0.0

    def ask_to_end(self, grace: float) -> None:
        """Signals the group, and kills what is left of it after `grace` seconds."""
        self._deadline = time.monotonic() + grace
        self._signal(signal.SIGTERM)
        killer = threading.Timer(grace, self._signal, (signal.SIGKILL,))
        killer.daemon = True
        killer.start()

    def wait(self) -> int:
        """Returns the command's exit code when the group has ended. Who was not asked to end leaves nobody behind."""
        code = self._child.wait()
        while time.monotonic() < self._deadline and self._is_anyone_left():
            time.sleep(POLL_SECONDS)
        self._signal(signal.SIGKILL)
        return code if code >= 0 else 128 - code

    def _is_anyone_left(self) -> bool:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:  # the adopted; a dead one that nobody waits for would count as left
                pass
        return self._signal(0)

    def _signal(self, number: int) -> bool:
        """Signals the whole group; whether anybody was there."""
        try:
            os.killpg(self._child.pid, number)
        except ProcessLookupError:
            return False
        except PermissionError:  # macOS says so of a group in which all are dead
            return False
        return True


def main() -> int:
    """Runs the command and returns its exit code."""
    grace, orphan_grace, command = float(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    asked_early = False

    def note(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked_early
        asked_early = True

    signal.signal(signal.SIGTERM, note)
    join_family()
    adopt_orphans()
    guard = Guard(command)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # only now, for the command would inherit it; the parent stops us
    signal.signal(signal.SIGTERM, lambda *_: guard.ask_to_end(grace))
    if asked_early:
        guard.ask_to_end(grace)

    def watch_lifeline() -> None:
        while os.read(0, 1):
            pass
        guard.ask_to_end(orphan_grace)

    threading.Thread(target=watch_lifeline, daemon=True).start()
    return guard.wait()


if __name__ == "__main__":
    sys.exit(main())
