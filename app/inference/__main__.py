"""The program: `python -m app.inference --model PATH --host HOST --port PORT`, or `serve` as SageMaker starts it."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import uvicorn

from app.http.server import uvicorn_config
from app.inference.model import find_model, load_engine
from app.inference.server import create_app
from twin.artifacts import model_folder
from twin.errors import TwinError
from twin.http_servers import Hosts
from twin.processes import handover, http_url
from twin.settings import EndpointSettings, read

__all__ = ["main"]

SAGEMAKER_MODEL = Path("/opt/ml/model")
SAGEMAKER_PORT = 8080
DRAIN_SECONDS = 3
"""How long answers in the making may go on after SIGTERM."""

log = logging.getLogger("app.inference")


def main(arguments: Sequence[str]) -> int:
    """Serves one model until SIGTERM; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.command == "serve":
        options.host = "0.0.0.0"  # noqa: S104  SageMaker reaches the container from outside
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(levelname)s %(message)s")
    failures: list[Exception] = []

    def on_load_failure(error: Exception) -> None:
        failures.append(error)
        server.should_exit = True

    try:
        settings = read(EndpointSettings)
        if options.sha256:
            model_folder.verify(options.model, options.sha256)
        files = find_model(options.model)
    except TwinError as error:
        log.critical("%s", error)
        return 1
    if options.name:
        files = msgspec.structs.replace(files, name=options.name)
    app = create_app(files, lambda: load_engine(files, settings), settings, on_load_failure)
    # In its container the platform asks under names of its own, and no browser is near.
    hosts = Hosts(options.host, ["*"]) if options.command == "serve" else None
    server = uvicorn.Server(uvicorn_config(app, options.host, options.port, grace_seconds=DRAIN_SECONDS, hosts=hosts))
    # uvicorn handles SIGTERM while it runs, and when it has shut down passes it on to the handler from before.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    log.info("serving model=%s format=%s on %s", files.name, files.format, http_url(options.host, options.port))
    server.run(handover.inherited(options))
    for failure in failures:
        log.critical("%s cannot be served: %s", files.path, failure)
    return 1 if failures or not server.started else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m app.inference", description="Serves one model over HTTP.")
    parser.add_argument("command", nargs="?", choices=["serve"], help="what SageMaker passes: listen on all addresses")
    parser.add_argument("--model", type=Path, default=SAGEMAKER_MODEL, help="a .gguf file or a model folder")
    parser.add_argument("--name", default=os.environ.get("MODEL_NAME"), help="what replies call the model")
    parser.add_argument("--sha256", default=os.environ.get("MODEL_SHA256"), help="of the weights that may be served")
    handover.add_arguments(parser, SAGEMAKER_PORT)
    return parser


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # the engine's own threads cannot be interrupted, and a join would wait for them
