"""What verbs print: tables and lines for people, JSON for machines; errors as one clear paragraph."""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, NoReturn, ParamSpec, TypeVar

import msgspec
import typer
from rich.console import Console

from llm_twin_dagster.cli import tables
from twin import environment, users
from twin.errors import TwinError
from twin.settings import HomeSettings, read
from twin.training.compute import SPIN_COUNT

__all__ = ["Json", "explained", "fail", "log", "out", "prepare", "print_json", "print_table", "quiet_line", "step_line"]

PRIVATE = 0o077
REASONS = {
    errno.EACCES: "may not be used by this user. Run this as its owner, or set TWIN_HOME to a folder of your own.",
    errno.EPERM: "may not be used by this user. Run this as its owner, or set TWIN_HOME to a folder of your own.",
    errno.EROFS: "is on a disk that cannot be written to. Set TWIN_HOME to a folder that can.",
    errno.ENOSPC: "could not be written: its disk is full. Free some room, and run this again.",
    errno.EDQUOT: "could not be written: this user's share of the disk is used up. Free some room, and run this again.",
    errno.ENOLCK: "could not be locked: its file system has no locks. Set TWIN_HOME to a folder on a local disk.",
    errno.EOPNOTSUPP: "could not be locked: its file system has no locks. Set TWIN_HOME to a folder on a local disk.",
}
"""What an error of the file system means to whoever runs the twin."""

P = ParamSpec("P")
T = TypeVar("T")

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
"""What a file system answers when it is full, read-only or somebody else's."""

out = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
"""What is no terminal gets whole lines: whoever greps or mails them decides how wide they are."""
log = Console(stderr=True, highlight=False)
"""Progress goes to standard error, so that standard output can be piped."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"llm-twin {metadata.version('llm-twin-dagster')}\n")
        raise typer.Exit


def prepare(
    home: Annotated[Path | None, typer.Option("--home", help="TWIN_HOME for this command.", show_default=False)] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """What every verb needs before heavy imports: files for this user alone, quiet libraries, no calls home, and one
    way to be interrupted."""
    os.umask(os.umask(PRIVATE) | PRIVATE)
    if home is not None:
        os.environ["TWIN_HOME"] = os.path.abspath(os.path.expanduser(home))  # noqa: PTH100, PTH111 - these never raise
    with contextlib.suppress(TwinError):  # the verb tells it
        root = read(HomeSettings).root
        users.stand_in(root)
        environment.keep_files_in(root)
    for name, value in {
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "GOMP_SPINCOUNT": SPIN_COUNT,  # threads that spin while they wait starve the others of a small machine
        "COMET_LOGGING_CONSOLE": "error",
    }.items():
        os.environ.setdefault(name, value)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # under nohup a closed terminal ends nothing
        signal.signal(signal.SIGHUP, _hang_up)


def explained(verb: Callable[P, T]) -> Callable[P, T]:
    """Turns our errors into a message and exit code 1, and Ctrl-C into exit code 130."""

    @functools.wraps(verb)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return verb(*args, **kwargs)
        except TwinError as error:
            fail(error.message)
        except OSError as error:
            if (reason := REASONS.get(error.errno or 0)) is None:
                raise
            fail(f"{error.filename or 'A file'} {reason}")
        except KeyboardInterrupt:
            log.print("[yellow]Interrupted.[/] What was finished is kept; the same command goes on from there.")
            raise typer.Exit(130) from None

    return wrapper


def fail(message: str) -> NoReturn:
    """Ends the command with an error for the user."""
    log.print("[bold red]Error:[/]", end=" ")
    log.print(message, markup=False, soft_wrap=True)
    raise typer.Exit(1)


def print_json(value: Any) -> None:
    """Prints a record, a list or a mapping as JSON."""
    builtins = msgspec.to_builtins(value, enc_hook=_encode)
    sys.stdout.write(json.dumps(builtins, indent=2, ensure_ascii=False) + "\n")


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None, *, empty: str | None = None
) -> None:
    """Prints rows under column names on standard output; `empty` is told where there are none."""
    tables.print_table(out, columns, rows, title=title, empty=empty)


def step_line(step: str, text: str) -> None:
    """One line of progress of a run."""
    from rich.text import Text

    log.print(Text.assemble((f"{step:>22} ", "cyan"), text), soft_wrap=True)


def quiet_line(name: str, text: str) -> None:
    """The supervisor's own lines; the services' output is in TWIN_HOME/logs."""
    if name == "stack":
        step_line(name, text)


def _encode(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else repr(value)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _hang_up(_number: int, _frame: object) -> None:
    """Ends as Ctrl-C does. The terminal is gone: what is still said to it goes nowhere and stops nothing."""
    for stream in (sys.stdout, sys.stderr):
        if stream.isatty():
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    signal.raise_signal(signal.SIGINT)
