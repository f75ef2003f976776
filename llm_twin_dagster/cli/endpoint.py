"""The model endpoint."""

from __future__ import annotations

from typing import Annotated

import typer

from llm_twin_dagster.cli.output import Json, explained, out, print_json, print_table, quiet_line
from llm_twin_dagster.stack import borrow
from twin.deployment import Deployment
from twin.home import Home

__all__ = ["app"]

app = typer.Typer(help="The model endpoint.", no_args_is_help=True)


@app.command()
@explained
def status(as_json: Json = False) -> None:
    """What is deployed, and whether it answers."""
    found = Deployment().endpoint.status()
    if as_json:
        print_json(found)
    else:
        print_table(
            ["state", "version", "previous", "held", "url", "message"],
            [[found.state, found.version, found.previous, ", ".join(found.held), found.url, found.message]],
        )


@app.command()
@explained
def rollback() -> None:
    """Serve the previous version again. The version that was served is held: only a newer one is deployed by itself."""
    home = Home.from_settings()
    with borrow(home, ["endpoint"], quiet_line):
        found = Deployment(home).endpoint.rollback()
    out.print(f"Version {found.version} is {found.state}; held: {', '.join(found.held) or 'none'}.")


@app.command()
@explained
def delete(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Stop serving. The models stay in the registry; only a newer version is deployed by itself."""
    home = Home.from_settings()
    if not yes:
        typer.confirm(f"Stop serving the model of {home.root}, so that questions get no answers?", abort=True)
    with borrow(home, ["endpoint"], quiet_line):
        Deployment(home).endpoint.delete()
    out.print("The endpoint is deleted; `llm-twin materialize deploy --force` makes it again.")
