"""Child processes that are waited for by readiness, log line by line, and never outlive their parent."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from twin.errors import PlatformError
from twin.processes import lifeline

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

__all__ = ["Child", "alive", "answers", "free_port", "stopping", "wait_until"]

POLL_SECONDS = 0.05
TAIL_LINES = 200


class Child:
    """A running command. Its output goes to `log` (a file, appended) and to `on_line`, one line at a time.

    The command runs under `twin.processes.lifeline`, so it dies with this process even when this process is killed.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        log: Path | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        self.name = name
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._log = log
        self._on_line = on_line
        self._process = subprocess.Popen(
            [sys.executable, "-E", "-S", lifeline.__file__, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
            cwd=cwd,
            start_new_session=True,
        )
        self._pump = threading.Thread(target=self._read_output, name=f"log-{name}", daemon=True)
        self._pump.start()

    @property
    def pid(self) -> int:
        """The guard's process id; signalling it reaches the command."""
        return self._process.pid

    def poll(self) -> int | None:
        """The exit code, or None while the command runs."""
        return self._process.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the end and for the last line of output; returns the exit code."""
        code = self._process.wait(timeout)
        self._pump.join(timeout=5)
        return code

    def stop(self, grace: float = 10.0) -> int:
        """Asks the command to end (SIGTERM), waits, and after `grace` seconds kills it. Safe to call twice."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(grace)
            except subprocess.TimeoutExpired:
                self.kill()
        if self._process.stdin:
            self._process.stdin.close()
        return self.wait()

    def kill(self) -> None:
        """Cuts the lifeline: the guard asks the command to end, and after its own grace kills it and all it started."""
        if self._process.stdin:
            self._process.stdin.close()  # the guard sees its lifeline cut and cleans up the group
        try:
            self._process.wait(lifeline.GRACE_SECONDS + 2)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def last_lines(self, count: int = 15) -> str:
        """The end of the output, for error messages."""
        return "\n".join(list(self.tail)[-count:])

    def _read_output(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        with contextlib.ExitStack() as stack:
            file = None
            if self._log:
                self._log.parent.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context(self._log.open("a", encoding="utf-8"))
            for raw in stream:
                line = raw.decode("utf-8", "replace").rstrip("\n")
                self.tail.append(line)
                if file:
                    file.write(line + "\n")
                    file.flush()
                if self._on_line:
                    self._on_line(line)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def wait_until(
    ready: Callable[[], bool], *, what: str, timeout: float, child: Child | None = None, advice: str = ""
) -> None:
    """Polls `ready` until it is true.

    Raises:
        PlatformError: `child` ended first, or `timeout` seconds went by; carries the child's last lines.
    """
    deadline = time.monotonic() + timeout
    while not ready():
        if child is not None and (code := child.poll()) is not None:
            child.wait(1)
            raise PlatformError(
                f"{what} ended with exit code {code} before it was ready.\n{child.last_lines()}\n{advice}"
            )
        if time.monotonic() > deadline:
            tail = f"\n{child.last_lines()}" if child else ""
            raise PlatformError(f"{what} was not ready after {timeout:.0f} s.{tail}\n{advice}")
        time.sleep(POLL_SECONDS)


def answers(url: str, timeout: float = 1.0) -> bool:
    """Whether a GET of `url` gives a 2xx status."""
    try:
        return httpx.get(url, timeout=timeout, trust_env=False).is_success  # a proxy cannot reach loopback
    except httpx.HTTPError:
        return False


def free_port(preferred: int = 0, host: str = "127.0.0.1") -> int:
    """`preferred` if nothing listens there, else a port that is free now."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((host, port))
                return probe.getsockname()[1]
    raise PlatformError(f"No free TCP port on {host}.")


def alive(pid: int) -> bool:
    """Whether a process of that id exists (a zombie counts as gone where /proc tells)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return True


@contextlib.contextmanager
def stopping(children: Sequence[Child]) -> Generator[None]:
    """Stops all children, last started first, when the block ends."""
    try:
        yield
    finally:
        for child in reversed(children):
            child.stop()
