"""Runs the twin's application: `python -m app.rag --host HOST --port PORT`. Settings come from the environment."""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys

import uvicorn

from app.http.server import uvicorn_config
from app.rag.server import create_app
from app.rag.services import of_deployment
from twin.deployment import Deployment
from twin.errors import SettingsError
from twin.processes import handover

DEFAULT_PORT = 8000
SHUTDOWN_SECONDS = 1


def main() -> int:
    """Serves until SIGTERM or Ctrl-C."""
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        deployment = Deployment()
        services = of_deployment(deployment)
        with contextlib.suppress(OSError):  # who cannot write it has none, and can set TWIN_TRIGGER_KEY
            deployment.home.trigger_key()  # there before a person looks for it
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    arguments = argparse.ArgumentParser(prog="python -m app.rag", description="The twin: search, answers, chat page.")
    handover.add_arguments(arguments, DEFAULT_PORT)
    options = arguments.parse_args()
    app = create_app(services)
    server = uvicorn.Server(uvicorn_config(app, options.host, options.port, grace_seconds=SHUTDOWN_SECONDS))
    server.run(handover.inherited(options))
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
