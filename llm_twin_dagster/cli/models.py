"""Reviewing models. A person approves; nothing else in this project does."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from llm_twin_dagster.cli.output import Json, explained, out, print_json, print_table, quiet_line
from llm_twin_dagster.stack import borrow
from twin.deployment import Deployment
from twin.home import Home
from twin.settings import ModelSettings, read

__all__ = ["app"]

app = typer.Typer(help="Model versions and their review.", no_args_is_help=True)

SERVICES = ["mongod", "console"]
Version = Annotated[str, typer.Argument(help="Such as 1.2.0.")]
Comment = Annotated[str, typer.Option("--comment", "-m", help="Why; kept with the version.")]
Reviewer = Annotated[str | None, typer.Option(help="Who reviews; default: your login name.")]


@app.command("list")
@explained
def list_(as_json: Json = False) -> None:
    """Every version, newest first."""
    home = Home.from_settings()
    name = read(ModelSettings).name
    with borrow(home, SERVICES, quiet_line if not as_json else lambda *_: None):
        versions = Deployment(home).registry.versions(name)
    if as_json:
        print_json(versions)
        return
    print_table(
        ["version", "status", "review", "perplexity base", "tuned", "created"],
        [
            [
                v.version,
                v.status,
                v.review,
                _score(v.manifest, "perplexity_base"),
                _score(v.manifest, "perplexity_tuned"),
                v.created_at.isoformat(timespec="seconds") if v.created_at else "",
            ]
            for v in versions
        ],
        title=name,
        empty=f"There is no version of {name} yet: `llm-twin materialize train` makes one.",
    )


@app.command()
@explained
def show(version: Version) -> None:
    """One version with its whole manifest, as JSON."""
    home = Home.from_settings()
    with borrow(home, SERVICES, lambda *_: None):
        print_json(Deployment(home).registry.get(read(ModelSettings).name, version))


@app.command()
@explained
def approve(version: Version, comment: Comment = "", reviewer: Reviewer = None) -> None:
    """Approve a version for production. The approval sensor, or `llm-twin materialize deploy`, deploys it."""
    _decide("approve", version, comment, reviewer)
    out.print(f"Approved {version}. With the stack running it is deployed by itself; else: llm-twin materialize deploy")


@app.command()
@explained
def reject(version: Version, comment: Comment = "", reviewer: Reviewer = None) -> None:
    """Reject a version; it is never deployed."""
    _decide("reject", version, comment, reviewer)
    out.print(f"Rejected {version}.")


def _decide(decision: str, version: str, comment: str, reviewer: str | None) -> None:
    home = Home.from_settings()
    with borrow(home, SERVICES, quiet_line):
        client = Deployment(home).review_client()
        act = client.approve if decision == "approve" else client.reject
        act(read(ModelSettings).name, version, comment=comment, reviewer=reviewer or getpass.getuser())


def _score(manifest: dict, name: str) -> str:
    value = manifest.get("scores", {}).get(name)
    return f"{value:.2f}" if isinstance(value, int | float) else ""
