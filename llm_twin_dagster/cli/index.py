"""The published vector index."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from llm_twin_dagster.cli.output import Json, explained, log, out, print_json, print_table
from twin.deployment import Deployment
from twin.settings import QdrantSettings, read

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["app"]

app = typer.Typer(help="The published vector index.", no_args_is_help=True)


@app.command()
@explained
def status(as_json: Json = False) -> None:
    """What is live, what can be gone back to, and whether searches are answered from it."""
    found = Deployment().vector_index.status()
    if as_json:
        print_json(found)
    else:
        print_table(
            ["generation", "state", "created", "passages", "made by"],
            [
                [
                    kept.name,
                    "live" if kept.live else "held" if kept.name == found.held else "kept",
                    f"{kept.created_at:%Y-%m-%d %H:%M} UTC",
                    kept.passages,
                    kept.schema,
                ]
                for kept in found.generations
            ],
            title=f"The index at {found.place}",
            empty="Nothing has been published yet: run `llm-twin ingest PATH`.",
        )
        if found.held:
            out.print(f"Held after a rollback: {found.held}; `llm-twin materialize vector_index --force` ends that.")
    if found.problem:
        log.print(f"[yellow]warning[/] {found.problem}", soft_wrap=True)
        raise typer.Exit(1)


@app.command()
@explained
def rollback(
    to: Annotated[
        str | None, typer.Option(help="A generation of `index status`; default: the one before the live one.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Answer from an earlier generation again. What was live is held until other passages come, or it is forced."""
    deployment = Deployment()
    with _publishing(deployment):
        generation = deployment.vector_index.rollback(to)
        found = deployment.vector_index.status()
    if as_json:
        print_json(found)
        return
    out.print(f"Generation {generation} is live; running twins answer from it within a second.")
    if found.held:
        out.print(
            f"{found.held} is held until other passages are published, or `llm-twin materialize vector_index --force`."
        )


@contextlib.contextmanager
def _publishing(deployment: Deployment) -> Generator[None]:
    """Keeps other publications away. In process, the index's own lock does; on a server, the warehouse's."""
    if read(QdrantSettings).url is None:
        yield
        return
    with deployment.warehouse.publish_lock("llm-twin index rollback"):
        yield
