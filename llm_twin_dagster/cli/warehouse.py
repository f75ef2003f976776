"""The whole warehouse out to a file, and into another one."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from llm_twin_dagster.cli.output import Json, explained, fail, log, out, print_json, print_table, quiet_line
from llm_twin_dagster.stack import borrow, only_supervisor
from twin import disk
from twin.errors import InputError, SettingsError
from twin.home import Home
from twin.settings import MongoSettings, read
from twin.warehouse.transfer import Imported, is_header

if TYPE_CHECKING:
    from twin.records import Source
    from twin.warehouse import Warehouse

__all__ = ["app"]

app = typer.Typer(help="The whole warehouse: export and import as JSON lines, repair.", no_args_is_help=True)

STANDARD = "-"
MAX_LINE = 128_000_000
"""MongoDB stores 16 MB in a row; JSON may need some times that."""
LOCK_SECONDS = 60

File = Annotated[str, typer.Argument(help="A file; - for standard output or input.")]


@app.command("export")
@explained
def export(file: File, as_json: Json = False) -> None:
    """Write documents with their revisions and tombstones, sources, outcomes and interactions to a file."""
    from twin.deployment import Deployment

    home = Home.from_settings()
    with borrow(home, ["mongod"], _quiet(as_json or file == STANDARD)):
        warehouse = Deployment(home).warehouse
        with warehouse.collect_lock("warehouse export", wait_seconds=LOCK_SECONDS), _writing(file) as target:
            lines = sum(1 for line in warehouse.transfer.export_lines() if target.write(line.encode()))
    if file == STANDARD:
        return
    if as_json:
        print_json({"file": str(Path(file).resolve()), "rows": lines - 1})
    else:
        out.print(f"Wrote {lines - 1} rows to {file}.", markup=False, soft_wrap=True)


@app.command("import")
@explained
def import_(
    file: File,
    author: Annotated[str | None, typer.Option(help="Whose documents these are, where they do not say so.")] = None,
    as_json: Json = False,
) -> None:
    """Bring in an export, or a file of documents: JSON lines, or the JSON list that the seed system exported."""
    from twin.deployment import Deployment

    home = Home.from_settings()
    with borrow(home, ["mongod"], _quiet(as_json)), _reading(file) as source:
        first = source.readline(MAX_LINE)
        warehouse = Deployment(home).warehouse
        with warehouse.collect_lock("warehouse import", wait_seconds=LOCK_SECONDS):
            if is_header(first):
                _tell_rows(warehouse.transfer.import_lines(itertools.chain([first], _lines(source))), as_json)
                return
            documents = _documents(file, first, source, home, author)
            _bring_in(documents, warehouse, home, as_json)


@app.command()
@explained
def repair(as_json: Json = False) -> None:
    """Save what can be read of the embedded MongoDB's data after it was damaged. The damaged data is kept beside it."""
    from twin.warehouse import mongod

    if read(MongoSettings).uri:
        raise SettingsError("MONGODB_URI names a server elsewhere; this repairs the embedded one. Unset it first.")
    home = Home.from_settings()
    with only_supervisor(home):
        kept = mongod.repair(home.mongo, log=home.logs / "mongod.log")
    if as_json:
        print_json({"data": str(home.mongo / "data"), "kept": str(kept)})
    else:
        out.print(f"Repaired {home.mongo / 'data'}. {kept} is the damaged data; delete it when nothing is missing.")


def _tell_rows(report: Imported, as_json: bool) -> None:
    if as_json:
        print_json(report)
    else:
        names = sorted({*report.added, *report.replaced, *report.kept})
        fates = (report.added, report.replaced, report.kept)
        print_table(
            ["collection", "added", "replaced", "kept"],
            [[name, *(fate.get(name, 0) for fate in fates)] for name in names],
        )
        for bad in report.bad_lines:
            log.print(f"line {bad.line}: {bad.reason}", markup=False, soft_wrap=True)
    if report.bad and not report.rows:
        fail(f"Nothing could be read: {report.bad} lines are no rows of a warehouse.")


def _bring_in(source: Source, warehouse: Warehouse, home: Home, as_json: bool) -> None:
    from twin.collection import ingestion
    from twin.settings import SourceSettings, read

    settings = read(SourceSettings)
    report = ingestion.ingest([source], warehouse, settings, cache=home.cache / "collection", inbox=home.inbox)
    problems = [{"url": each.url, "state": each.state, "reason": each.reason or ""} for each in report.problems]
    if as_json:
        print_json({**report.counts, "problems": problems})
    else:
        out.print("  ".join(f"{name} [bold]{count}[/]" for name, count in report.counts.items()))
        for problem in problems:
            log.print(f"{problem['state']} {problem['url']}: {problem['reason']}", markup=False, soft_wrap=True)
    if problems and not report.held:
        fail(f"Nothing could be read: {problems[0]['reason']}")
    if not as_json:
        out.print("Now run `llm-twin ingest` to bring them through to the index.")


def _documents(file: str, first: bytes, rest: IO[bytes], home: Home, author: str | None) -> Source:
    """The source that a file of documents is; standard input is kept in the inbox."""
    from twin.collection.files import inbox
    from twin.records import Source
    from twin.settings import SourceSettings, read

    beginning = first.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not beginning.startswith((b"{", b"[")):
        raise InputError(f"{file} is neither an export of a warehouse nor JSON with documents in it.")
    if file == STANDARD:
        chunks = itertools.chain([first], iter(lambda: rest.read(1 << 20), b""))
        kept = inbox.spool(chunks, home.inbox, max_bytes=read(SourceSettings).max_bytes)
        return Source(kind="inbox", location=kept, author=author)
    kind = "json" if beginning.startswith(b"[") else "jsonl"
    return Source(kind=kind, location=str(Path(file).resolve()), author=author)


@contextlib.contextmanager
def _writing(file: str) -> Generator[IO[bytes]]:
    """A file that is there whole at the end, or not at all."""
    if file == STANDARD:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(file)
    if not target.parent.is_dir():
        raise InputError(f"There is no folder {target.parent}: make it first.")
    with disk.replacing(target, mode=0o600) as written:
        yield written


@contextlib.contextmanager
def _reading(file: str) -> Generator[IO[bytes]]:
    if file == STANDARD:
        yield sys.stdin.buffer
        return
    try:
        with Path(file).open("rb") as opened:
            yield opened
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}.") from None


def _lines(source: IO[bytes]) -> Iterator[bytes | None]:
    """The lines that are left; None for one that is longer than any row."""
    while line := source.readline(MAX_LINE):
        if len(line) == MAX_LINE and not line.endswith(b"\n"):
            while (more := source.readline(1 << 20)) and not more.endswith(b"\n"):
                pass
            yield None
        else:
            yield line


def _quiet(silent: bool) -> Callable[[str, str], None]:
    return (lambda *_: None) if silent else quiet_line
