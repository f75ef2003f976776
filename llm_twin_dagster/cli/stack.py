"""The local stack: starting it, stopping it, and how it is."""

from __future__ import annotations

import signal

import typer

from llm_twin_dagster.cli.output import Json, explained, log, out, print_json, print_table, step_line
from twin.home import Home

__all__ = ["down", "status", "up"]


@explained
def up() -> None:
    """Start the whole stack in the foreground: Dagster UI, twin, console, mongod, endpoint. Ctrl-C stops it."""
    from llm_twin_dagster import services
    from llm_twin_dagster.stack import Stack
    from twin.deployment import Deployment

    home = Home.from_settings()
    Deployment(home).check()
    with Stack(home, services.needed(), _service_line) as stack:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: stack.request_stop())
        _print_status(home, "The stack is up; Ctrl-C or `make down` stops it, `llm-twin status` shows this again")
        stack.watch()
        log.print("stopping")


@explained
def down() -> None:
    """Stop the stack that runs for this TWIN_HOME, and wait for all that it started."""
    from llm_twin_dagster.stack import stop_running

    home = Home.from_settings()
    out.print("The stack is stopped." if stop_running(home) else f"Nothing runs for {home.root}.", soft_wrap=True)


@explained
def status(as_json: Json = False) -> None:
    """The running stack: each service's address, whether it answers, and what it lacks."""
    from llm_twin_dagster import status as services

    home = Home.from_settings()
    found = services.examine(home)
    if as_json:
        print_json(found)
    elif found:
        _print_status(home, f"The stack of {home.root}")
    else:
        out.print(f"Nothing runs for {home.root}; `make up` starts it.", soft_wrap=True)
    if any(service.state != "answers" for service in found):
        raise typer.Exit(1)


def _print_status(home: Home, title: str) -> None:
    from llm_twin_dagster.status import WHAT, examine

    rows = [[WHAT[service.name], service.url, service.state, service.note] for service in examine(home)]
    token = ["Reviewer's token", home.root / "reviewer-token", "", "what the review page asks for"]
    print_table(["what", "where", "state", "note"], [*rows, token], title=title)


def _service_line(name: str, line: str) -> None:
    """Every service's log but mongod's, which is JSON for machines and in TWIN_HOME/logs."""
    if name != "mongod":
        step_line(name, line)
