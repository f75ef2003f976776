"""Dagster's web interface, for known hosts only: `python -m llm_twin_dagster.webserver --workspace FILE`.

`dagster-webserver` itself answers whoever asks under any name. It has no sign-in, so a page that rebinds its name to
this machine could read and launch everything. This is the same application behind `twin.http_servers.KnownHosts`, on
the socket that the supervisor handed down.
"""

from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING

import uvicorn
from dagster import DagsterInstance
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._utils.interrupts import setup_interrupt_handlers
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.cli import (
    DEFAULT_DB_STATEMENT_TIMEOUT,
    DEFAULT_POOL_MAX_OVERFLOW,
    DEFAULT_POOL_RECYCLE,
    DEFAULT_WEBSERVER_PORT,
)
from dagster_webserver.version import __version__

from twin.http_servers import Hosts, KnownHosts
from twin.processes import handover
from twin.settings import StackSettings, read

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

SHUTDOWN_SECONDS = 2


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves until SIGTERM or Ctrl-C."""
    options = _parser().parse_args(arguments)
    settings = read(StackSettings)
    setup_interrupt_handlers()  # SIGTERM is a KeyboardInterrupt from here on, so that the code server is stopped too
    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
        instance = stack.enter_context(DagsterInstance.get())
        instance.optimize_for_webserver(DEFAULT_DB_STATEMENT_TIMEOUT, DEFAULT_POOL_RECYCLE, DEFAULT_POOL_MAX_OVERFLOW)
        workspace = stack.enter_context(
            WorkspaceProcessContext(
                instance, version=__version__, workspace_load_target=WorkspaceFileTarget([options.workspace])
            )
        )
        app = create_app_from_workspace_process_context(workspace)
        config = uvicorn.Config(
            KnownHosts(app, Hosts(options.host, settings.allowed_hosts.split(","))),
            host=options.host,
            port=options.port,
            headers=handover.identity_headers(),
            log_level="warning",
            timeout_keep_alive=settings.keep_alive_seconds,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
        uvicorn.Server(config).run(handover.inherited(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m llm_twin_dagster.webserver", description="Dagster's web interface."
    )
    handover.add_arguments(parser, DEFAULT_WEBSERVER_PORT)
    parser.add_argument("--workspace", required=True, help="workspace.yaml")
    return parser


if __name__ == "__main__":
    main()
