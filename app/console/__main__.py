"""Runs the console: `python -m app.console --host HOST --port PORT`. Settings come from the environment."""

from __future__ import annotations

import argparse
import logging
import sys
from functools import partial

import uvicorn

from app.console.server import create_app
from app.http.server import uvicorn_config
from twin.deployment import Deployment, addresses
from twin.errors import SettingsError, TwinError, WarehouseUnavailable
from twin.home import Home
from twin.processes import handover
from twin.registry.policy import Policy
from twin.settings import MongoSettings, ReviewSettings, read

DEFAULT_PORT = 8001
SHUTDOWN_SECONDS = 3


def main() -> int:
    """Serves until SIGTERM or Ctrl-C."""
    arguments = argparse.ArgumentParser(prog="python -m app.console", description="The local console.")
    handover.add_arguments(arguments, DEFAULT_PORT)
    options = arguments.parse_args()
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        mongo, review = read(MongoSettings), read(ReviewSettings)
        home = Home.from_settings()
        where = partial(addresses.mongo_uri, home)
        where()
    except (SettingsError, WarehouseUnavailable) as error:
        return refuse(str(error))
    app = create_app(
        where,
        mongo.database,
        review.token.get_secret_value() if review.token else None,
        policy=Policy(approvals=review.approvals),
        timeout_seconds=mongo.timeout_seconds,
        dagster_url=lambda: home.service_url("dagster"),  # a partial would still show `name`, and Litestar ask for it
        serving=lambda: told(home),
    )
    server = uvicorn.Server(uvicorn_config(app, options.host, options.port, grace_seconds=SHUTDOWN_SECONDS))
    server.run(handover.inherited(options))
    return 0 if server.started else 1


def told(home: Home) -> str:
    """Which version answers, in words."""
    try:
        return Deployment(home).endpoint.status().in_words
    except TwinError as error:
        return error.message


def refuse(message: str) -> int:
    """Says on standard error why the console does not start; returns the exit code."""
    sys.stderr.write(f"{message}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
