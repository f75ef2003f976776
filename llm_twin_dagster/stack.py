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
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from llm_twin_dagster import services
from twin import disk
from twin.errors import PlatformError
from twin.home import Home, RunState, ServiceState
from twin.processes import Keeper
from twin.processes.supervision import PATIENCE_SECONDS

__all__ = ["Stack", "borrow", "only_supervisor", "stop_running"]

POLL_SECONDS = 0.25
STOP_SECONDS = 300.0
"""The longest time in which a stack ends: its services, and what they started."""
FAMILY_SECONDS = 60.0
"""How long to wait for what services started: a training that was cancelled saves a checkpoint first."""


class Stack:
    """Services under supervision, for the length of a `with` block.

    Args:
        home: Whose services.
        names: Which, each after those it needs.
        on_line: Told each line of their output, and what the supervisor does as `stack`.
        command: The command that needs them for as long as it lasts; None for a stack that stays up.
        patience: Seconds without an answer after which a service is started again.
    """

    def __init__(
        self,
        home: Home,
        names: Sequence[str],
        on_line: services.LogLine,
        *,
        command: str | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self.home = home
        self._command = command
        self._names = names
        self._on_line = on_line
        self._patience = patience
        self._held = contextlib.ExitStack()
        self._keepers: dict[str, Keeper[services.Running]] = {}
        self._publishing = threading.Lock()
        self._stopping = threading.Event()

    @property
    def running(self) -> dict[str, services.Running]:
        """The services as they are now."""
        return {name: keeper.service for name, keeper in self._keepers.items()}

    @property
    def urls(self) -> dict[str, str]:
        return {name: running.url for name, running in self.running.items()}

    def __enter__(self) -> Stack:
        self._held.enter_context(only_supervisor(self.home, self._tell))
        self.home.clear_run_state()  # a killed supervisor's; nobody may take its process id for ours
        try:
            self._held.enter_context(_variables({"TWIN_FAMILY": str(self.home.family)}))
            for name in self._names:
                self._keep(name)
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
        """Waits until `request_stop`; meanwhile each service has a keeper that starts it again."""
        self._stopping.wait()

    def stop(self) -> None:
        """Stops every service, and waits for what they started. Safe to call twice.

        Those that nobody asks stop at once, beside each other, for some take seconds to end; then, last started first,
        those that are asked.
        """
        self._stopping.set()
        with ThreadPoolExecutor() as side_by_side:
            for name in [name for name in self._keepers if name not in services.ASKED]:
                side_by_side.submit(self._keepers.pop(name).stop)
        for name in reversed(list(self._keepers)):
            self._keepers.pop(name).stop()
        try:
            _wait_for_family(self.home, self._tell)
        except PlatformError as error:
            self._tell(error.message)
        self.home.clear_run_state()
        self._held.close()

    def _keep(self, name: str) -> None:
        """Starts a service that is started again whenever it ends, at the same address."""
        began = time.monotonic()
        listener = services.listener(name)
        if listener is not None:
            self._held.callback(listener.close)
        others = self.urls

        def start() -> services.Running:
            place = services.Place(self.home, others, self._on_line, listener, self._stopping.is_set)
            return services.start(name, place)

        def came_back(running: services.Running) -> None:
            self._publish()
            self._tell(f"{name} is back {running.url}")

        keeper = Keeper(name, start, tell=self._tell, on_return=came_back, patience=self._patience)
        self._keepers[name] = keeper
        self._publish()
        note = f"; {keeper.service.note}" if keeper.service.note else ""
        self._tell(f"{name} is ready {keeper.service.url} ({time.monotonic() - began:.1f} s){note}")

    def _tell(self, what: str) -> None:
        """Says what the supervisor does; that nobody can hear it must not end it."""
        with contextlib.suppress(OSError, SystemExit):  # rich takes a reader that is gone for a reason to exit
            self._on_line("stack", what)

    def _publish(self) -> None:
        with self._publishing:
            states = {name: ServiceState(url=r.url, pid=r.child.pid, word=r.word) for name, r in self.running.items()}
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
        if state := home.run_state():
            urls = {name: service.url for name, service in state.services.items()}
            if missing := [name for name in names if name not in urls]:
                raise PlatformError(
                    f"{_who(state)} runs over {home.root} without {', '.join(missing)}, which this needs. "
                    + (_UNTIL_IT_ENDS if state.command else "Stop it with `make down`, and run `make up`.")
                )
        else:
            urls = stack.enter_context(Stack(home, names, on_line, command=_this_command())).urls
        stack.enter_context(_variables(services.environment(home)))
        yield urls


def stop_running(home: Home) -> bool:
    """Asks the running supervisor to stop and waits until it has. False when nothing ran.

    Raises:
        PlatformError: It did not stop in time, or is a command that ends by itself.
    """
    state = home.run_state()
    if state is None:
        return False
    if state.command:
        raise PlatformError(f"No stack is up. {_who(state)} runs over {home.root}. {_UNTIL_IT_ENDS}")
    os.kill(state.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while home.run_state() is not None:
        if time.monotonic() > deadline:
            raise PlatformError(f"The stack (process {state.pid}) did not stop within {STOP_SECONDS:.0f} s.")
        time.sleep(POLL_SECONDS)
    return True


def _wait_for_family(home: Home, tell: Callable[[str], None]) -> None:
    """Waits until every process of this home's stack has ended, those of a stack that was killed included.

    Raises:
        PlatformError: They do not end.
    """
    deadline = time.monotonic() + FAMILY_SECONDS
    told = False
    while disk.is_locked(home.family, shared=True):
        if not told:
            tell("waiting for processes that still end; a training saves a checkpoint first")
            told = True
        if time.monotonic() > deadline:
            raise PlatformError(
                f"Processes of a stack of {home.root} still run after {FAMILY_SECONDS:.0f} s. "
                f"They hold {home.family}: end them (`fuser {home.family}` names them) and try again."
            )
        time.sleep(POLL_SECONDS)


@contextlib.contextmanager
def only_supervisor(home: Home, tell: Callable[[str], None] = lambda _what: None) -> Generator[None]:
    """Within the block, nobody else runs services over a home; it begins when what a killed supervisor left has ended.

    Raises:
        PlatformError: Somebody does, or the home belongs to another user or cannot be written.
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

    home.check_room()
    with disk.try_lock(home.lock, refusal):
        _wait_for_family(home, tell)
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
