"""The services of the local stack: how each is started, when it is of use, and how it is asked whether it is well."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_twin_dagster import dagster_home, dagster_state
from llm_twin_dagster.status import lacking
from twin import outside
from twin.deployment import addresses
from twin.errors import PlatformError
from twin.home import Home
from twin.processes import Child, Listener, wait_until
from twin.settings import MongoSettings, StackSettings, read
from twin.training.compute import SPIN_COUNT

__all__ = ["ASKED", "ORDER", "Place", "Running", "listener", "needed", "start"]

PROJECT = Path(__file__).resolve().parent.parent
WORKSPACE = PROJECT / "workspace.yaml"
READY_SECONDS = 120.0
ASK_SECONDS = 5.0
"""How long a service may take to say that it is well."""
DAGSTER_GRACE_SECONDS = 75.0
"""How long Dagster's processes may take to end: a run that trains saves a checkpoint first."""

LogLine = Callable[[str, str], None]
"""Told each line of output: the service's name and the line."""


@dataclass(frozen=True)
class Running:
    """A service that is of use."""

    child: Child
    url: str
    is_well: Callable[[], bool]
    """Asks it; takes seconds at most."""
    word: str = ""
    """What its answers are known by, if it speaks HTTP."""
    note: str = ""
    """What it lacks for its work."""


@dataclass(frozen=True)
class Place:
    """Where a service is started: the twin's home, its neighbours, its address."""

    home: Home
    urls: Mapping[str, str]
    """The addresses of the services that were started before."""
    on_line: LogLine
    listener: Listener | None = None
    """The socket of a service that speaks HTTP."""
    is_stopping: Callable[[], bool] = field(default=lambda: False)
    """Whether nobody wants it any more."""

    def child(self, name: str, module: str, *arguments: str, grace: float = 15.0, **variables: str) -> Child:
        """Runs a Python module as a service."""
        listener = self.listener
        return Child(
            name,
            [sys.executable, "-m", module, *(listener.arguments if listener else []), *arguments],
            env={
                **environment(self.home),
                **(listener.environment if listener else {}),
                **variables,
            },
            log=self.home.logs / f"{name}.log",
            on_line=lambda line: self.on_line(name, line),
            grace=grace,
            fds=[listener.fd] if listener else [],
        )

    def wait(self, child: Child, ready: Callable[[], bool], what: str) -> None:
        """Waits until a service is of use; one that does not get there is stopped.

        Raises:
            PlatformError: It did not; says why.
        """

        def ready_or_unwanted() -> bool:
            if self.is_stopping():
                raise PlatformError(f"{what} is not wanted any more.")
            return ready()

        try:
            wait_until(ready_or_unwanted, what=what, timeout=READY_SECONDS, child=child)
        except BaseException:
            child.stop()
            raise


def environment(home: Home) -> dict[str, str]:
    """The variables with which any program works on `home`. What the user set is not overridden.

    Programs look up in run.json where MongoDB and the console are, each time they need it, so that they follow a
    service that moves (`twin.deployment.addresses`).
    """
    return {
        "TWIN_HOME": str(home.root),
        "DAGSTER_HOME": str(home.dagster),
        "HF_HUB_OFFLINE": os.environ.get("HF_HUB_OFFLINE", "1"),
        "GOMP_SPINCOUNT": SPIN_COUNT,
    }


def listener(name: str) -> Listener | None:
    """The socket for a service that speaks HTTP, at the address that the settings wish; None for the others.

    Raises:
        PlatformError: TWIN_HOST is no address of this machine.
    """
    settings = read(StackSettings)
    ports = {"console": settings.console_port, "twin": settings.twin_port, "dagster": settings.dagster_port}
    return Listener(settings.host, ports[name]) if name in ports else None


def _mongod(place: Place) -> Running:
    from twin.warehouse import mongod

    running = mongod.start(
        place.home.mongo,
        log=place.home.logs / "mongod.log",
        on_line=lambda line: place.on_line("mongod", line),
    )
    return Running(running.child, running.uri, running.is_well)


def _console(place: Place) -> Running:
    child = place.child("console", "app.console", REVIEWER_TOKEN=place.home.reviewer_token())
    return _http(place, child, ready="/health/ready", alive="/health/live")


def _endpoint(place: Place) -> Running:
    """Ready when the version that was served last answers again, or cannot be started."""
    from twin.serving.local import LocalEndpoint

    endpoint = LocalEndpoint(place.home.root)
    child = place.child("endpoint", "twin.serving.host", "--home", str(place.home.root))
    place.wait(child, lambda: endpoint.host_is_running() and endpoint.is_settled(), "The endpoint host")
    status = endpoint.status()
    note = "" if status.state == "InService" else status.message.partition("\n")[0] or "no model is deployed"
    return Running(child, "", endpoint.host_is_well, note=note)


def _twin(place: Place) -> Running:
    """Ready when its models are loaded; what else it lacks, an index for instance, is told."""
    child = place.child("twin", "app.rag")
    listener = _of(place)

    def readiness() -> dict[str, Any]:
        return listener.json("/health/ready", timeout=ASK_SECONDS)

    place.wait(child, lambda: readiness().get("status", "starting") != "starting", "The twin")
    note = "; ".join(lacking(readiness()))
    return Running(child, listener.url, lambda: listener.answers("/health/live", ASK_SECONDS), listener.word, note)


def _dagster(place: Place) -> Running:
    """Ready when the project's definitions are loaded."""
    dagster_home.prepare(place.home)
    workspace = ["--workspace", str(WORKSPACE)]
    variables = addresses.comet_environment(place.home)
    child = place.child("dagster", "llm_twin_dagster.webserver", *workspace, grace=DAGSTER_GRACE_SECONDS, **variables)
    listener = _of(place)
    place.wait(child, lambda: dagster_state.definitions_are_loaded(listener.url), "The Dagster UI")
    return Running(child, listener.url, lambda: listener.answers("/server_info", ASK_SECONDS), listener.word)


def _daemon(place: Place) -> Running:
    """Ready when its heart beats; without a webserver beside it, when it says that it runs."""
    dagster_home.prepare(place.home)
    began = time.time()
    workspace, variables = ["-w", str(WORKSPACE)], addresses.comet_environment(place.home)
    child = place.child("daemon", "dagster._daemon", "run", *workspace, grace=DAGSTER_GRACE_SECONDS, **variables)
    webserver = place.urls.get("dagster")

    def ready() -> bool:
        return dagster_state.daemons_beat(webserver, since=began) if webserver else _says_that_it_runs(child)

    def is_well() -> bool:
        return not webserver or not dagster_state.daemons_are_silent(webserver)

    place.wait(child, ready, "The Dagster daemon")
    return Running(child, "", is_well)


_STARTERS: dict[str, Callable[[Place], Running]] = {
    "mongod": _mongod,
    "console": _console,
    "endpoint": _endpoint,
    "twin": _twin,
    "dagster": _dagster,
    "daemon": _daemon,
}
ORDER = tuple(_STARTERS)
"""Every service, each after those it needs."""
ASKED = ("mongod", "endpoint", "console")
"""Those that others ask to their very end: an answer is stored and traced when the twin stops."""


def start(name: str, place: Place) -> Running:
    """Starts one of `ORDER` and returns when it is of use.

    Raises:
        PlatformError: It ended, or was not ready in time; carries its last lines.
    """
    return _STARTERS[name](place)


def needed(names: tuple[str, ...] = ORDER) -> list[str]:
    """Those of the services that this machine must run: what the settings name elsewhere is left out."""
    elsewhere = set()
    if read(MongoSettings).uri:
        elsewhere.add("mongod")
    if outside.opik() and outside.comet():
        elsewhere.add("console")
    if outside.model_endpoint():
        elsewhere.add("endpoint")
    return [name for name in names if name not in elsewhere]


def _http(place: Place, child: Child, *, ready: str, alive: str) -> Running:
    listener = _of(place)
    place.wait(child, lambda: listener.answers(ready), f"{child.name} at {listener.url}")
    return Running(child, listener.url, lambda: listener.answers(alive, ASK_SECONDS), listener.word)


def _of(place: Place) -> Listener:
    if place.listener is None:
        raise PlatformError("A service that speaks HTTP is started with a listener.")
    return place.listener


def _says_that_it_runs(daemon: Child) -> bool:
    return any("Instance is configured with the following daemons" in line for line in daemon.tail)
