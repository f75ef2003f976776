"""The local stack: starting it, stopping it, and how it is."""

from __future__ import annotations

import signal

from llm_twin_dagster.cli.output import explained, log, out, step_line
from twin.home import Home

__all__ = ["down", "up"]


@explained
def up() -> None:
    """Start the whole stack in the foreground: Dagster UI, twin, console, mongod, endpoint. Ctrl-C stops it."""
    from llm_twin_dagster import services
    from llm_twin_dagster.cli.status import print_services
    from llm_twin_dagster.stack import Stack
    from llm_twin_dagster.status import examine
    from twin.deployment import Deployment

    home = Home.from_settings()
    Deployment(home).check()
    with Stack(home, services.needed(), _service_line) as stack:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: stack.request_stop())
        print_services(
            home, examine(home), "The stack is up; Ctrl-C or `make down` stops it, `llm-twin status` shows this again"
        )
        stack.watch()
        log.print("stopping")


@explained
def down() -> None:
    """Stop the stack that runs for this TWIN_HOME, and wait for all that it started."""
    from llm_twin_dagster.stack import stop_running

    home = Home.from_settings()
    out.print("The stack is stopped." if stop_running(home) else f"Nothing runs for {home.root}.", soft_wrap=True)


def _service_line(name: str, line: str) -> None:
    """Every service's log but mongod's, which is JSON for machines and in TWIN_HOME/logs."""
    if name != "mongod":
        step_line(name, line)
