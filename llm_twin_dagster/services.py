"""The services of the local stack: how each is started, and when it is ready."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from llm_twin_dagster import dagster_home
from twin import outside
from twin.home import Home
from twin.processes import Child, answers, free_port, http_url, wait_until
from twin.settings import MongoSettings, ReviewSettings, StackSettings, read
from twin.training.compute import SPIN_COUNT

__all__ = ["ORDER", "Running", "needed", "start"]

PROJECT = Path(__file__).resolve().parent.parent
READY_SECONDS = 120.0

LogLine = Callable[[str, str], None]
"""Told each line of output: the service's name and the line."""


@dataclass
class Running:
    """A started service."""

    child: Child
    url: str
    port: int
    since: float = field(default_factory=time.monotonic)
    """When it was ready, on the monotonic clock."""


@dataclass(frozen=True)
class _Context:
    home: Home
    urls: Mapping[str, str]
    port: int | None
    """The port of the service's previous life, which its clients know."""
    on_line: LogLine

    def child(self, name: str, module: str, *arguments: str) -> Child:
        """Runs a Python module as a service, with the addresses of what was started before it."""
        return Child(
            name,
            [sys.executable, "-m", module, *arguments],
            env=environment(self.home, self.urls),
            log=self.home.logs / f"{name}.log",
            on_line=lambda line: self.on_line(name, line),
        )


def environment(home: Home, urls: Mapping[str, str]) -> dict[str, str]:
    """The variables that let any program find the services at `urls`. What the user set is not overridden.

    The console needs none: whoever uses it looks it up in run.json (`twin.deployment.addresses`).
    """
    variables = {
        "TWIN_HOME": str(home.root),
        "DAGSTER_HOME": str(home.dagster),
        "HF_HUB_OFFLINE": os.environ.get("HF_HUB_OFFLINE", "1"),
        "GOMP_SPINCOUNT": SPIN_COUNT,
    }
    if "mongod" in urls:
        variables["MONGODB_URI"] = urls["mongod"]
    return variables


def _mongod(context: _Context) -> Running:
    from twin.warehouse import mongod

    running = mongod.start(
        context.home.mongo,
        log=context.home.logs / "mongod.log",
        on_line=lambda line: context.on_line("mongod", line),
    )
    return Running(running.child, running.uri, 0)


def _console(context: _Context) -> Running:
    token = read(ReviewSettings).token
    settings = read(StackSettings)
    port = free_port(context.port or settings.console_port, settings.host)
    child = Child(
        "console",
        [sys.executable, "-m", "app.console", "--host", settings.host, "--port", str(port)],
        env={
            **environment(context.home, context.urls),
            "REVIEWER_TOKEN": token.get_secret_value() if token else context.home.reviewer_token(),
        },
        log=context.home.logs / "console.log",
        on_line=lambda line: context.on_line("console", line),
    )
    return _http(child, settings.host, port, "/health/live")


def _endpoint(context: _Context) -> Running:
    child = context.child("endpoint", "twin.serving.host", "--home", str(context.home.root))
    from twin.serving.local import LocalEndpoint

    endpoint = LocalEndpoint(context.home.root)
    wait_until(endpoint.host_is_running, what="The endpoint host", timeout=READY_SECONDS, child=child)
    return Running(child, "", 0)


def _twin(context: _Context) -> Running:
    settings = read(StackSettings)
    port = free_port(context.port or settings.twin_port, settings.host)
    child = context.child("twin", "app.rag", "--host", settings.host, "--port", str(port))
    return _http(child, settings.host, port, "/health/live")


def _dagster(context: _Context) -> Running:
    settings = read(StackSettings)
    dagster_home.prepare(context.home)
    port = free_port(context.port or settings.dagster_port, settings.host)
    address = ["-h", settings.host, "-p", str(port)]
    child = context.child("dagster", "llm_twin_dagster.webserver", *address, "-w", str(PROJECT / "workspace.yaml"))
    return _http(child, settings.host, port, "/server_info")


def _daemon(context: _Context) -> Running:
    dagster_home.prepare(context.home)
    child = context.child("daemon", "dagster._daemon", "run", "-w", str(PROJECT / "workspace.yaml"))
    wait_until(
        lambda: any("Instance is configured with the following daemons" in line for line in child.tail),
        what="The Dagster daemon",
        timeout=READY_SECONDS,
        child=child,
    )
    return Running(child, "", 0)


_STARTERS: dict[str, Callable[[_Context], Running]] = {
    "mongod": _mongod,
    "console": _console,
    "endpoint": _endpoint,
    "twin": _twin,
    "dagster": _dagster,
    "daemon": _daemon,
}
ORDER = tuple(_STARTERS)
"""Every service, each after those it needs."""


def start(name: str, home: Home, urls: Mapping[str, str], on_line: LogLine, *, port: int | None = None) -> Running:
    """Starts one service and returns when it is ready.

    Args:
        name: One of `ORDER`.
        home: Whose service it is.
        urls: The addresses of the services that already run.
        on_line: Told each line of its output.
        port: The port to come back on, for a restart.

    Raises:
        PlatformError: It ended, or was not ready in time; carries its last lines.
    """
    return _STARTERS[name](_Context(home, urls, port, on_line))


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


def _http(child: Child, host: str, port: int, path: str) -> Running:
    url = http_url(host, port)
    wait_until(lambda: answers(url + path), what=f"{child.name} at {url}", timeout=READY_SECONDS, child=child)
    return Running(child, url, port)
