"""The local endpoint's control plane: `python -m twin.serving.host --home HOME` keeps the wanted model answering.

It starts the wanted version beside the one that answers, switches when the new one is ready (blue/green), lets the old
one finish its answers, and starts a model process that died again. What it does is in `status.json`.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from twin.errors import PlatformError
from twin.processes import Backoff, Watch
from twin.processes.supervision import PATIENCE_SECONDS
from twin.serving.process import START_SECONDS, ModelProcess, start_model
from twin.serving.state import EndpointConfig, EndpointFiles, HostStatus, Request
from twin.settings import EndpointSettings, read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Host", "Replica", "main"]

TICK_SECONDS = 0.1
DRAIN_SECONDS = 60.0
"""How long a replaced process may go on with its answers."""
LINGER_SECONDS = 1.0
"""How long it stays for those who had read its address just before."""

UNPINNED = (
    "Version {version} was deployed by an earlier version of the twin, which did not pin its weights. The approved "
    "version is deployed again by itself, or with `llm-twin materialize deploy`."
)


@dataclass
class Replica:
    """A model process."""

    config: EndpointConfig
    model: ModelProcess
    watch: Watch
    since: float
    """When it was started; once it answers, when it began to; once another replaced it, when that was."""

    def stop(self) -> None:
        """Ends the process."""
        self.watch.close()
        self.model.stop()


class Host:
    """Follows the requests in the files. `step` looks once and does not wait for a model; `run` steps until stopped."""

    def __init__(
        self,
        root: Path,
        settings: EndpointSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        log: Callable[[str], None] = print,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._files = EndpointFiles(root)
        self._settings = settings
        self._clock = clock
        self._log = log
        self._patience = patience
        self._status = HostStatus()
        self._request: Request | None = None
        self._candidate: Replica | None = None
        self._serving: Replica | None = None
        self._retired: list[Replica] = []
        self._backoff = Backoff()
        self._restart_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Keeps the wanted version answering until `stop` is set, then stops every model process.

        Raises:
            PlatformError: Another host serves this home.
        """
        with self._files.host_lock():
            self._take_over()
            try:
                while not stop.wait(TICK_SECONDS):
                    self.step()
            finally:
                self._stop_all()

    def step(self) -> None:
        """Does what is due now."""
        self._files.beat()
        self._follow_request()
        self._watch_candidate()
        self._watch_serving()
        self._restart_if_due()
        self._stop_drained()

    def _take_over(self) -> None:
        """Goes on from what an earlier host left: its model processes died with it, its status tells what to serve."""
        left = self._files.status()
        request = self._files.request()
        if request is not None and request.id == left.answered:
            self._request = request  # it is settled; serve what it led to, which after a failure is the version before
        if left.config is not None and not left.config.sha256:
            left = HostStatus(state="Failed", message=UNPINNED.format(version=left.config.version))
        elif left.config is not None:
            message = f"Version {left.config.version} starts with the host."
            left = msgspec.structs.replace(left, state="Creating", url=None, pid=None, message=message)
        self._say(left)

    def _follow_request(self) -> None:
        request = self._files.request()
        if request is None or (self._request is not None and request.id == self._request.id):
            return
        self._request = request
        self._discard_candidate()
        if request.config is None:
            self._delete(request)
        elif self._serving is not None and self._serving.config == request.config:
            self._say(msgspec.structs.replace(self._status, answered=request.id, error=None))
        else:
            self._start(request.config)

    def _delete(self, request: Request) -> None:
        self._retire_serving()
        self._say(HostStatus(answered=request.id))

    def _start(self, config: EndpointConfig) -> None:
        """Starts a candidate for `config`. Until it answers, whatever answers now goes on."""
        name = f"{self._settings.name}@{config.version}"
        folder, log = self._files.place(config), self._log
        model = start_model(folder, settings=self._settings, name=name, sha256=config.sha256, on_line=log)
        watch = Watch(model.child, model.is_loaded, patience=self._patience)
        self._candidate = Replica(config, model, watch, self._clock())
        if self._serving is not None:
            message = f"Version {config.version} is starting; version {self._serving.config.version} answers."
            self._say(msgspec.structs.replace(self._status, state="Updating", message=message))
        else:
            message = f"Version {config.version} is starting."
            self._say(msgspec.structs.replace(self._status, state="Creating", message=message))

    def _watch_candidate(self) -> None:
        candidate = self._candidate
        if candidate is None:
            return
        child = candidate.model.child
        if (code := child.poll()) is not None:
            child.wait()  # for its last lines
            self._reject(candidate, f"its process ended with exit code {code}.\n{child.last_lines()}")
        elif candidate.watch.has_answered:
            self._switch_to(candidate)
        elif self._clock() - candidate.since > START_SECONDS:
            reason = f"it did not answer within {START_SECONDS:.0f} s.\n{child.last_lines()}"
            self._reject(candidate, reason)

    def _switch_to(self, candidate: Replica) -> None:
        """From here on readers of the status find the candidate; what served before finishes its answers and ends."""
        before = self._status.config
        previous = before if before not in (None, candidate.config) else self._status.previous
        self._retire_serving()
        candidate.since = self._clock()
        self._serving, self._candidate = candidate, None
        self._say(
            HostStatus(
                state="InService",
                config=candidate.config,
                url=candidate.model.url,
                pid=candidate.model.child.pid,
                previous=previous,
                answered=self._request.id if self._request else None,
            )
        )

    def _reject(self, candidate: Replica, reason: str) -> None:
        """Gives a candidate up. What answers goes on; where nothing does, the last good version is started again."""
        self._candidate = None
        candidate.stop()
        version = candidate.config.version
        answered = self._request.id if self._request else None
        if self._is_requested(candidate):
            error = f"Version {version} cannot be served: {reason}"
            self._settle_failure(candidate.config, error, answered)
        else:
            self._schedule_restart(f"Version {version} does not start again: {reason}", ran_for=0.0)

    def _settle_failure(self, config: EndpointConfig, error: str, answered: str | None) -> None:
        good = self._status.config
        if self._serving is not None and good is not None:
            message = f"{error}\nVersion {good.version} goes on answering."
            status = msgspec.structs.replace(self._status, state="InService", message=message)
        elif good is not None and good != config:
            status = msgspec.structs.replace(self._status, state="Creating", message=error)
        else:
            status = msgspec.structs.replace(
                self._status, state="Failed", config=None, url=None, pid=None, message=error
            )
        self._say(msgspec.structs.replace(status, answered=answered, error=error))

    def _is_requested(self, candidate: Replica) -> bool:
        """Whether someone waits for this candidate, as opposed to its being a restart of what answered before."""
        request = self._request
        return request is not None and request.id != self._status.answered and request.config == candidate.config

    def _watch_serving(self) -> None:
        serving = self._serving
        if serving is None or (trouble := serving.watch.trouble()) is None:
            return
        self._serving = None
        serving.stop()
        what = f"The model process of version {serving.config.version} {trouble}."
        self._schedule_restart(what, ran_for=self._clock() - serving.since)

    def _schedule_restart(self, what: str, *, ran_for: float) -> None:
        wait = self._backoff.failed(ran_for)
        self._restart_at = self._clock() + wait
        message = f"{what}\nIt is started again in {wait:.0f} s (attempt {self._backoff.failures})."
        status = msgspec.structs.replace(self._status, state="Creating", url=None, pid=None, message=message)
        self._say(msgspec.structs.replace(status, attempts=self._backoff.failures))

    def _restart_if_due(self) -> None:
        """Starts the last good version when nothing answers and nothing is about to."""
        idle = self._serving is None and self._candidate is None
        config = self._status.config
        if idle and config is not None and self._status.state == "Creating" and self._clock() >= self._restart_at:
            self._start(config)

    def _retire_serving(self) -> None:
        """Nobody is told of it any more; it finishes the answers in the making."""
        if self._serving is not None:
            self._serving.since = self._clock()
            self._retired.append(self._serving)
            self._serving = None

    def _stop_drained(self) -> None:
        for replica in list(self._retired):
            age = self._clock() - replica.since
            if age > DRAIN_SECONDS or (age > LINGER_SECONDS and not replica.model.answers_in_the_making()):
                replica.stop()
                self._retired.remove(replica)

    def _discard_candidate(self) -> None:
        if self._candidate is not None:
            self._candidate.stop()
            self._candidate = None

    def _stop_all(self) -> None:
        self._discard_candidate()
        for replica in [*self._retired, *([self._serving] if self._serving else [])]:
            replica.stop()

    def _say(self, status: HostStatus) -> None:
        self._status = msgspec.structs.replace(status, host=os.getpid())
        self._files.write_status(self._status)
        version = status.config.version if status.config else "-"
        self._log(f"endpoint {status.state} version={version} url={status.url or '-'} {status.message}".rstrip())


def main(arguments: Sequence[str]) -> int:
    """Runs the host until SIGTERM or SIGINT; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m twin.serving.host", description="Keeps the local model answering.")
    parser.add_argument("--home", type=Path, required=True, help="TWIN_HOME")
    home = parser.parse_args(arguments).home.resolve()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        Host(home, read(EndpointSettings)).run(stop)
    except PlatformError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
