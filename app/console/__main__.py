"""Runs the console: `python -m app.console --host HOST --port PORT`. Settings come from the environment."""

from __future__ import annotations

import argparse
import logging
import sys

import uvicorn

from app.console.server import create_app
from app.http.server import uvicorn_config
from twin.errors import SettingsError
from twin.settings import MongoSettings, ReviewSettings, read

DEFAULT_PORT = 8001
SHUTDOWN_SECONDS = 3


def main() -> int:
    """Serves until SIGTERM or Ctrl-C."""
    arguments = argparse.ArgumentParser(prog="python -m app.console", description="The local console.")
    arguments.add_argument("--host", default="127.0.0.1")
    arguments.add_argument("--port", type=int, default=DEFAULT_PORT)
    options = arguments.parse_args()
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        mongo, review = read(MongoSettings), read(ReviewSettings)
    except SettingsError as error:
        return refuse(str(error))
    if mongo.uri is None:
        return refuse("The console needs MongoDB: set MONGODB_URI, or start the whole stack with `make up`.")
    app = create_app(
        mongo.uri.get_secret_value(),
        mongo.database,
        review.token.get_secret_value() if review.token else None,
        timeout_seconds=mongo.timeout_seconds,
    )
    uvicorn.Server(uvicorn_config(app, options.host, options.port, grace_seconds=SHUTDOWN_SECONDS)).run()
    return 0


def refuse(message: str) -> int:
    """Says on standard error why the console does not start; returns the exit code."""
    sys.stderr.write(f"{message}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
