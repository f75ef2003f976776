"""What the twin reads."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from llm_twin_dagster.cli.output import Json, explained, fail, out, print_json, print_table, quiet_line, step_line
from llm_twin_dagster.stack import borrow
from twin.errors import InputError, UnknownName
from twin.home import Home

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twin.records import Source
    from twin.warehouse import LastLook

__all__ = ["app", "ingest"]

app = typer.Typer(help="What the twin reads.", no_args_is_help=True)
COUNTS = ("added", "changed", "removed", "unchanged", "refused", "failed", "withheld")

Author = Annotated[str | None, typer.Option(help="Whose documents these are, where they do not say so themselves.")]


Include = Annotated[
    list[str] | None,
    typer.Option("--include", help="Only files that match, in the syntax of .gitignore; repeat it for more patterns."),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", help="Not files that match, in the syntax of .gitignore; repeat it for more patterns."),
]
Drafts = Annotated[
    bool | None,
    typer.Option("--include-drafts/--no-include-drafts", help="Drafts, and what is not yet or no longer published."),
]


@app.command("add")
@explained
def add(
    location: str, author: Author = None, include: Include = None, exclude: Exclude = None, drafts: Drafts = None
) -> None:
    """Remember a folder, file, repository or URL; the next ingest reads it."""
    from twin import collection
    from twin.collection import sources
    from twin.deployment import Deployment

    home = Home.from_settings()
    choice = sources.choice(include or None, exclude or None, drafts)
    source = sources.chosen(collection.detect(location, author), choice)
    with borrow(home, ["mongod"], quiet_line):
        Deployment(home).warehouse.sources.add([source])
    out.print(f"Added the {source.kind} {source.location}.", markup=False, soft_wrap=True)


@app.command("list")
@explained
def list_(as_json: Json = False) -> None:
    """Everything that the twin reads: from twin.yaml and from `sources add`, with its documents and the last look."""
    from twin.collection import sources
    from twin.deployment import Deployment
    from twin.settings import HomeSettings, read

    home = Home.from_settings()
    with borrow(home, ["mongod"], quiet_line):
        warehouse = Deployment(home).warehouse
        known = sources.known(read(HomeSettings).config, warehouse)
        held, looks = warehouse.sources.held([source.id for source in known]), warehouse.sources.last_looks()
    if as_json:
        print_json(
            [
                {
                    **msgspec.structs.asdict(source),
                    "documents": held.get(source.id, 0),
                    "last_look": looks.get(source.id),
                }
                for source in known
            ]
        )
    else:
        print_table(
            ["kind", "location", "author", "documents", "last look", ""],
            [
                [s.kind, s.location, s.author or "as documents say", held.get(s.id, 0), *_told(looks.get(s.id))]
                for s in known
            ],
            empty="The twin reads nothing yet: name sources in twin.yaml, or run `llm-twin ingest PATH_OR_URL`.",
        )


@app.command("problems")
@explained
def problems(as_json: Json = False) -> None:
    """What was refused or failed at the last look, and why, by source."""
    from twin.collection import sources
    from twin.deployment import Deployment
    from twin.settings import HomeSettings, read

    home = Home.from_settings()
    with borrow(home, ["mongod"], quiet_line):
        warehouse = Deployment(home).warehouse
        known = {source.id: source.location for source in sources.known(read(HomeSettings).config, warehouse)}
        found = list(warehouse.sources.problems(known))
    if as_json:
        print_json([{**msgspec.structs.asdict(problem), "source": known[problem.source_id]} for problem in found])
    elif not found:
        out.print("Nothing was refused and nothing failed at the last look.")
    else:
        print_table(
            ["source", "what", "location", "why", "when"],
            [[known[p.source_id], p.state, p.url, p.reason, f"{p.at:%Y-%m-%d %H:%M} UTC"] for p in found],
        )


@app.command("withheld")
@explained
def withheld(as_json: Json = False) -> None:
    """What is not for readers: documents that were withheld at the last look and why, and pieces left out of others."""
    from twin.collection import sources
    from twin.collection.ingestion import counts_as_text
    from twin.deployment import Deployment
    from twin.settings import HomeSettings, read

    home = Home.from_settings()
    with borrow(home, ["mongod"], quiet_line):
        warehouse = Deployment(home).warehouse
        known = {source.id: source.location for source in sources.known(read(HomeSettings).config, warehouse)}
        found = list(warehouse.sources.withheld(known))
        left_out = dict(warehouse.documents.left_out(known))
    if as_json:
        documents = [{**msgspec.structs.asdict(each), "source": known[each.source_id]} for each in found]
        print_json({"documents": documents, "left_out": left_out})
        return
    print_table(
        ["source", "location", "why", "when"],
        [[known[each.source_id], each.url, each.reason, f"{each.at:%Y-%m-%d %H:%M}"] for each in found],
        title="Withheld documents",
        empty="No document was withheld at the last look.",
    )
    if left_out:
        print_table(
            ["location", "left out"],
            [[url, counts_as_text(counts)] for url, counts in left_out.items()],
            title="Pieces left out of documents",
        )


@app.command("remove")
@explained
def remove(location: str) -> None:
    """Forget a source. Its documents are tombstoned, and leave the index with the next ingest."""
    from twin.collection import sources
    from twin.deployment import Deployment
    from twin.settings import HomeSettings, read

    home = Home.from_settings()
    with borrow(home, ["mongod"], quiet_line):
        warehouse = Deployment(home).warehouse
        known = {source.location: source for source in warehouse.sources.all()}
        source = known.get(location) or _known_at(location, known)
        warehouse.sources.remove(source.id)
    out.print(f"Removed {source.location}.", markup=False, soft_wrap=True)
    config = read(HomeSettings).config
    if source.id in {configured.id for configured in sources.configured(config)}:
        out.print(f"{config} names it too, so the next ingest reads it again: remove it there.", soft_wrap=True)


@explained
def ingest(
    locations: Annotated[
        list[str] | None,
        typer.Argument(help="Folders, files, repositories, URLs, - for standard input; none: all known."),
    ] = None,
    author: Author = None,
    include: Include = None,
    exclude: Exclude = None,
    drafts: Drafts = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would come in and what would not, and why; write nothing.")
    ] = False,
    title: Annotated[str | None, typer.Option(help="The title of a text from standard input.")] = None,
    confirm_vanished: Annotated[
        bool, typer.Option("--confirm-vanished", help="Believe it when most of a source is gone.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring documents in, through to the live index. Works with or without the stack running."""
    from llm_twin_dagster.cli import dry_run as preview
    from llm_twin_dagster.runs import run_job
    from twin.collection import sources

    home = Home.from_settings()
    if dry_run:
        choice = sources.choice(include or None, exclude or None, drafts)
        preview.show(home, locations or [], author, choice, as_json=as_json)
        return
    places = _with_standard_input(locations or [], home, title)
    config = {
        "locations": places,
        "author": author,
        "include": include or None,
        "exclude": exclude or None,
        "include_drafts": drafts,
        "confirm_vanished": confirm_vanished,
    }
    with borrow(home, ["mongod"], quiet_line if not as_json else lambda *_: None):
        outcome = run_job(
            home,
            "ingest",
            {"ops": {"raw_documents": {"config": config}}},
            on_line=None if as_json else step_line,
        )
    collected, index = outcome.assets["raw_documents"].metadata, outcome.assets["vector_index"].metadata
    counts = {name: collected.get(name, 0) for name in COUNTS}
    passages, generation = index.get("dagster/row_count"), index.get("generation")
    problems, rollback = collected.get("problems", []), index.get("rollback")
    kept_back, forgotten = collected.get("withheld_documents", []), collected.get("forgotten", [])
    if as_json:
        told = {"withheld_documents": kept_back, "forgotten": forgotten, **({"rollback": rollback} if rollback else {})}
        print_json({**counts, "passages": passages, "generation": generation, "problems": problems, **told})
    elif collected:
        out.print("  ".join(f"{name} [bold]{count}[/]" for name, count in counts.items()))
        for line in forgotten:
            out.print(line, markup=False, soft_wrap=True)
        if kept_back:
            out.print("`llm-twin sources withheld` shows what is withheld and why; --include-drafts takes drafts in.")
    nothing = not any(counts[name] for name in ("added", "changed", "removed", "unchanged"))
    if nothing and problems:
        fail(f"Nothing could be read: {problems[0]['url']}: {problems[0]['reason']}")
    if nothing and kept_back:
        first = f"{kept_back[0]['url']}: {kept_back[0]['reason']}"
        fail(f"Everything is withheld: {first}. --include-drafts takes drafts in.")
    if not outcome.success:
        fail(outcome.error or f"Nothing was published. Failed checks: {', '.join(outcome.failed_checks)}")
    if not as_json:
        out.print(f"The index holds {passages} passages (generation {generation}).")
        if rollback:
            out.print(rollback, markup=False, soft_wrap=True)


def _with_standard_input(locations: list[str], home: Home, title: str | None) -> list[str]:
    """The locations, with what comes through standard input kept as a file of the inbox."""
    from twin.collection.files import inbox
    from twin.settings import SourceSettings, read

    if "-" not in locations:
        if title:
            raise InputError("--title is for a text from standard input: name - as a location.")
        return locations
    chunks = iter(lambda: sys.stdin.buffer.read(1 << 16), b"")
    kept = inbox.spool(chunks, home.inbox, title=title, max_bytes=read(SourceSettings).max_bytes)
    return [kept if location == "-" else location for location in locations]


def _known_at(location: str, known: Mapping[str, Source]) -> Source:
    """The known source that a person means by a path, or by another spelling of a URL."""
    from twin import collection
    from twin.collection.collectors.folder import as_path

    if source := known.get(str(as_path(location))):
        return source
    try:
        return known[collection.detect(location).location]
    except (InputError, KeyError):
        raise UnknownName(f"There is no source {location!r}. `llm-twin sources list` shows them.") from None


def _told(look: LastLook | None) -> tuple[str, str]:
    """When the last look was, and what it found or why it failed."""
    from twin.collection.ingestion import counts_as_text

    if look is None:
        return "never", ""
    return f"{look.at:%Y-%m-%d %H:%M} UTC", look.error or counts_as_text(look.counts)
