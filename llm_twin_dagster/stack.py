"""The supervisor of the local stack: starts services in order, restarts what dies, stops all of them, leaves no orphan.

Exactly one process supervises the services of one TWIN_HOME; a lock file tells. Commands that need a service borrow
the running stack's, or run their own for as long as they last.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Generator, Sequence
from pathlib import Path

from llm_twin_dagster import services
from twin import disk
from twin.errors import PlatformError
from twin.home import Home, RunState, ServiceState
from twin.processes import Backoff

__all__ = ["Stack", "borrow", "only_supervisor", "stop_running"]

WATCH_SECONDS = 0.25
STOP_SECONDS = 60.0


class Stack:
    """Services under supervision, for the length of a `with` block."""

    def __init__(
        self, home: Home, names: Sequence[str], on_line: services.LogLine, *, command: str | None = None
    ) -> None:
        self.home = home
        self._command = command
        self.running: dict[str, services.Running] = {}
        self._names = names
        self._on_line = on_line
        self._lock = contextlib.ExitStack()
        self._stopping = threading.Event()

    @property
    def urls(self) -> dict[str, str]:
        return {name: running.url for name, running in self.running.items()}

    def __enter__(self) -> Stack:
        self._lock.enter_context(only_supervisor(self.home))
        self.home.clear_run_state()  # a killed supervisor's; nobody may take its process id for ours
        try:
            for name in self._names:
                began = time.monotonic()
                self.running[name] = services.start(name, self.home, self.urls, self._on_line)
                self._publish()
                self._on_line("stack", f"{name} is ready {self.urls[name]} ({time.monotonic() - began:.1f} s)")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def request_stop(self) -> None:
        """Makes `watch` return; safe in a signal handler."""
        self._stopping.set()

    def watch(self) -> None:
        """Restarts services that end, with growing pauses, until `request_stop`."""
        backoff = {name: Backoff() for name in self.running}
        due: dict[str, float] = {}
        while not self._stopping.wait(WATCH_SECONDS):
            for name, running in list(self.running.items()):
                code = running.child.poll()
                if code is None:
                    continue
                if name not in due:
                    pause = backoff[name].failed(time.monotonic() - running.since)
                    due[name] = time.monotonic() + pause
                    self._on_line("stack", f"{name} ended with exit code {code}; starting it again in {pause:.0f} s")
                elif time.monotonic() >= due[name]:
                    del due[name]
                    self._restart(name, running.port)

    def stop(self) -> None:
        """Stops every service, last started first. Safe to call twice."""
        for name, running in reversed(list(self.running.items())):
            running.child.stop(grace=15.0)
            del self.running[name]
        self.home.clear_run_state()
        self._lock.close()

    def _restart(self, name: str, port: int) -> None:
        others = {other: url for other, url in self.urls.items() if other != name}
        try:
            self.running[name] = services.start(name, self.home, others, self._on_line, port=port)
        except PlatformError as error:
            self._on_line("stack", f"{name} did not come back: {error}")
            return
        self._publish()
        self._on_line("stack", f"{name} is back {self.urls[name]}")

    def _publish(self) -> None:
        states = {name: ServiceState(url=r.url, pid=r.child.pid) for name, r in self.running.items()}
        self.home.write_run_state(RunState(pid=os.getpid(), command=self._command, services=states))


@contextlib.contextmanager
def borrow(home: Home, names: Sequence[str], on_line: services.LogLine) -> Generator[dict[str, str]]:
    """The services a command needs, and their variables in this process's environment.

    They are the running stack's, or are started now and stopped at the end. A service that the settings place elsewhere
    is not started. Yields their addresses.

    Raises:
        PlatformError: The running stack lacks one of them, or one did not start.
    """
    names = services.needed(tuple(names))
    with contextlib.ExitStack() as stack:
        if state := _running(home):
            urls = {name: service.url for name, service in state.services.items()}
            if missing := [name for name in names if name not in urls]:
                raise PlatformError(
                    f"{_who(state)} runs over {home.root} without {', '.join(missing)}, which this needs. "
                    + (_UNTIL_IT_ENDS if state.command else "Stop it with `make down`, and run `make up`.")
                )
        else:
            urls = stack.enter_context(Stack(home, names, on_line, command=_this_command())).urls
        stack.enter_context(_variables(services.environment(home, urls)))
        yield urls


def stop_running(home: Home) -> bool:
    """Asks the running supervisor to stop and waits until it has. False when nothing ran.

    Raises:
        PlatformError: It did not stop in time, or is a command that ends by itself.
    """
    state = _running(home)
    if state is None:
        return False
    if state.command:
        raise PlatformError(f"No stack is up. {_who(state)} runs over {home.root}. {_UNTIL_IT_ENDS}")
    os.kill(state.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while home.run_state() is not None:
        if time.monotonic() > deadline:
            raise PlatformError(f"The stack (process {state.pid}) did not stop within {STOP_SECONDS:.0f} s.")
        time.sleep(WATCH_SECONDS)
    return True


def _running(home: Home) -> RunState | None:
    """The running stack. What a killed supervisor left is none, even if its process id is in use again."""
    state = home.run_state()
    if state is None:
        return None
    return state if disk.is_locked(home.lock) else None


@contextlib.contextmanager
def only_supervisor(home: Home) -> Generator[None]:
    """Within the block, nobody else runs services over a home.

    Raises:
        PlatformError: Somebody does, or the home belongs to another user.
    """
    home.keep_out_others()

    def refusal(holder: str) -> PlatformError:
        state = home.run_state()
        if state and state.command:
            return PlatformError(f"{_who(state)} runs over {home.root}. {_UNTIL_IT_ENDS}")
        return PlatformError(
            f"The services of {home.root} already run under {holder}. Stop them with `make down`, "
            "or set TWIN_HOME to another folder."
        )

    with disk.try_lock(home.lock, refusal):
        yield


_UNTIL_IT_ENDS = "Wait until it has ended, or end it with Ctrl-C at its own terminal, and try again."


def _who(state: RunState) -> str:
    return f"`{state.command or 'llm-twin up'}` (process {state.pid})"


def _this_command() -> str:
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]])


@contextlib.contextmanager
def _variables(values: dict[str, str]) -> Generator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
