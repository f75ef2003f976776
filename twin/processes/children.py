"""Child processes that log line by line and never outlive their parent."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from twin.processes import lifeline
from twin.processes.logs import LogFile

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

__all__ = ["Child", "alive", "stopping"]

TAIL_LINES = 200
GUARD_SECONDS = 5.0
"""How much longer than its command a guard may take."""
LINE_BYTES = 64 * 1024
"""A longer line of output is cut into several."""


class Child:
    """A running command. Its output goes to `log` (a file, appended) and to `on_line`, one line at a time.

    The command runs under `twin.processes.lifeline`, so it dies with this process even when this process is killed.

    Args:
        name: What its threads are called.
        command: The program and its arguments.
        env: Variables besides this process's own.
        cwd: Where it runs.
        log: A file that its output is appended to.
        on_line: Told each line of output, in a thread of its own.
        grace: Seconds that it and all that it started have to end when they are asked to.
        orphan_grace: The same, when this process is gone.
        fds: Files or sockets of this process that it inherits, under the same numbers.
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
        grace: float = 10.0,
        orphan_grace: float = 5.0,
        fds: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.grace = grace
        self._orphan_grace = orphan_grace
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._tail_lock = threading.Lock()
        self._log = LogFile.opened(log) if log else None
        self._on_line = on_line
        self._is_heard = True
        self._process = subprocess.Popen(
            [sys.executable, "-E", "-S", lifeline.__file__, str(grace), str(orphan_grace), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
            cwd=cwd,
            pass_fds=fds,
            start_new_session=True,
        )
        self._pump = threading.Thread(target=self._read_output, name=f"log-{name}", daemon=True)
        self._pump.start()

    @property
    def pid(self) -> int:
        """The guard's process id; signalling it reaches the command."""
        return self._process.pid

    @property
    def tail(self) -> list[str]:
        """The last lines of output, as they are now."""
        with self._tail_lock:
            return list(self._tail)

    def poll(self) -> int | None:
        """The exit code, or None while the command runs."""
        return self._process.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the end and for the last line of output; returns the exit code."""
        code = self._process.wait(timeout)
        self._pump.join(timeout=5)
        return code

    def stop(self) -> int:
        """Asks the command to end (SIGTERM) and returns when all that it started has ended. Safe to call twice."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._wait_for_guard(self.grace)
        return self.kill()

    def kill(self) -> int:
        """Cuts the lifeline, as this process's death would, and returns when all that the command started has ended."""
        if self._process.stdin:
            self._process.stdin.close()
        self._wait_for_guard(self._orphan_grace)
        return self.wait()

    def _wait_for_guard(self, grace: float) -> None:
        """The guard kills what is left after `grace` seconds; one that does not is killed itself."""
        try:
            self._process.wait(grace + GUARD_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def last_lines(self, count: int = 15) -> str:
        """The end of the output, for error messages."""
        return "\n".join(self.tail[-count:])

    def _read_output(self) -> None:
        """Reads to the end of the output whatever becomes of the lines: a command whose pipe is full would hang."""
        stream = self._process.stdout
        if stream is None:
            return
        with contextlib.closing(self._log) if self._log else contextlib.nullcontext() as log:
            while raw := stream.readline(LINE_BYTES):
                self._pass_on(raw.decode("utf-8", "replace").rstrip("\n"), log)

    def _pass_on(self, line: str, log: LogFile | None) -> None:
        with self._tail_lock:
            self._tail.append(line)
        if log is not None:
            log.write(line)
        if self._on_line is not None:
            self._tell(self._on_line, line, log)

    def _tell(self, on_line: Callable[[str], None], line: str, log: LogFile | None) -> None:
        try:
            on_line(line)
        except (Exception, SystemExit) as error:  # noqa: BLE001  a reader that is gone makes rich exit
            if self._is_heard and log is not None:
                log.write(f"(lines are not passed on any more: {error!r})")
            self._is_heard = False
        else:
            self._is_heard = True

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


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
