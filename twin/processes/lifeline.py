"""Runs one command and never outlives whoever asked for it. Run as a script; imports only the standard library.

    python guard.py COMMAND...

Standard input is the lifeline: the parent holds the other end of the pipe and never writes to it. When the parent dies,
however it dies, the kernel closes the pipe, and the guard stops the command and all its descendants. This works the
same on Linux and macOS, and unlike PR_SET_PDEATHSIG it does not fire when merely the starting *thread* ends.
"""

import os
import signal
import subprocess
import sys
import threading
from types import FrameType

GRACE_SECONDS = 15.0
PR_SET_PDEATHSIG = 1


def signal_group(child: subprocess.Popen, number: int) -> None:
    """Signals the command's whole process group, if any of it is left."""
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        return


def tie_to_guard() -> None:
    """Where the kernel can (Linux), the command dies even when the guard itself is killed. The thread that starts it is
    the guard's main one, so the signal means the guard's end and nothing else."""
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> int:
    """Runs the command in a process group of its own and returns its exit code."""
    tie = tie_to_guard if sys.platform == "linux" else None
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=tie)

    def forward(number: int, _frame: FrameType | None) -> None:
        signal_group(child, number)

    def watch_lifeline() -> None:
        while os.read(0, 1):
            pass
        signal_group(child, signal.SIGTERM)
        try:
            child.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            signal_group(child, signal.SIGKILL)

    signal.signal(signal.SIGTERM, forward)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, and the parent stops us in order
    threading.Thread(target=watch_lifeline, daemon=True).start()
    code = child.wait()
    signal_group(child, signal.SIGKILL)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
