"""`llm-twin status`: one screen on the services and on the loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from llm_twin_dagster.cli.output import Json, explained, out, print_json, print_table
from twin.deployment import Deployment, addresses
from twin.errors import TwinError
from twin.home import Home
from twin.loop import Loop, look
from twin.settings import ModelSettings, read

if TYPE_CHECKING:
    from llm_twin_dagster.status import ServiceStatus

__all__ = ["print_services", "status"]


@explained
def status(as_json: Json = False) -> None:
    """The running stack: its services; what is fresh, due, running, awaiting a person, and serving."""
    from llm_twin_dagster.status import examine

    home = Home.from_settings()
    found = examine(home)
    dagster = addresses.dagster(home)
    loop = asyncio.run(look(dagster)) if dagster else Loop(problem="The Dagster UI does not run.")
    awaiting, serving = _models(home) if found else ([], "")
    if as_json:
        told: dict[str, Any] = {**msgspec.to_builtins(loop), "awaiting": awaiting, "serving": serving}
        print_json({"services": found, "loop": told})
    elif found:
        print_services(home, found, f"The stack of {home.root}")
        _print_loop(loop, awaiting, serving)
    else:
        out.print(f"Nothing runs for {home.root}; `make up` starts it.", soft_wrap=True)
    if any(service.state != "answers" for service in found):
        raise typer.Exit(1)


def print_services(home: Home, found: list[ServiceStatus], title: str) -> None:
    """Each service with its address, and where the reviewer's token is."""
    from llm_twin_dagster.status import WHAT

    rows = [[WHAT[service.name], service.url, service.state, service.note] for service in found]
    token = ["Reviewer's token", home.root / "reviewer-token", "", "what the review page asks for"]
    print_table(["what", "where", "state", "note"], [*rows, token], title=title)


def _models(home: Home) -> tuple[list[str], str]:
    """The versions that await review, and what serves; where that cannot be asked, why not."""
    deployment, name = Deployment(home), read(ModelSettings).name
    try:
        versions = deployment.registry.versions(name)
        awaiting = [version.version for version in versions if version.review == "pending"]
    except TwinError as error:
        awaiting = [error.message]
    try:
        return awaiting, deployment.endpoint.status().in_words
    except TwinError as error:
        return awaiting, error.message


def _print_loop(loop: Loop, awaiting: list[str], serving: str) -> None:
    rows = [["awaits a person", ", ".join(awaiting) or "nothing"], ["serves", serving]]
    if loop.problem:
        rows.insert(0, ["the loop", loop.problem])
    else:
        rows = [["fresh", loop.freshness], ["due", loop.due], ["runs", "\n".join(loop.runs) or "nothing"], *rows]
    print_table(["the loop", ""], rows)
