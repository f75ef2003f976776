"""One model, served by a child process for as long as a block lasts."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from twin.errors import ModelUnavailable, PlatformError
from twin.processes import Child, answers, free_port, http_url, wait_until
from twin.serving.client import ChatClient

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from twin.settings import EndpointSettings

__all__ = ["START_SECONDS", "STOP_SECONDS", "model_process", "start_model"]

HOST = "127.0.0.1"
START_SECONDS = 120.0
STOP_SECONDS = 5.0
ENGINE_SETTINGS = ("context_tokens", "slots", "queue_limit", "answer_seconds", "threads")


@contextlib.contextmanager
def model_process(path: Path, *, settings: EndpointSettings, log: Path | None = None) -> Generator[ChatClient]:
    """A client of the model at `path` (a .gguf file or a model folder), which runs until the block ends.

    Raises:
        ModelUnavailable: The model did not load; carries the last lines that the process wrote.
    """
    child, url = start_model(path, settings=settings, log=log)
    client = ChatClient(url, timeout=settings.timeout_seconds)
    try:
        _wait_until_loaded(child, url, path)
        yield client
    finally:
        client.close()
        child.stop(STOP_SECONDS)


def start_model(
    path: Path,
    *,
    settings: EndpointSettings,
    name: str | None = None,
    sha256: str | None = None,
    log: Path | None = None,
    on_line: Callable[[str], None] | None = None,
) -> tuple[Child, str]:
    """Starts the container program for the model at `path`; returns it and its URL, without waiting for `/ping`.

    Args:
        path: A .gguf file or a model folder.
        settings: For the engine.
        name: What replies call the model; without it, what its manifest says.
        sha256: Of the weights. The program reads every file before it loads one, and ends if these are others.
        log: A file for its output.
        on_line: Is given each line of its output.
    """
    port = free_port()
    command = [sys.executable, "-m", "app.inference", "--model", str(path), "--host", HOST, "--port", str(port)]
    if name:
        command += ["--name", name]
    if sha256:
        command += ["--sha256", sha256]
    child = Child(f"model-{port}", command, env=_environment(settings), log=log, on_line=on_line)
    return child, http_url(HOST, port)


def _wait_until_loaded(child: Child, url: str, path: Path) -> None:
    try:
        wait_until(lambda: answers(f"{url}/ping"), what=f"The model at {path}", timeout=START_SECONDS, child=child)
    except PlatformError as error:
        raise ModelUnavailable(error.message, detail=error.detail) from error


def _environment(settings: EndpointSettings) -> dict[str, str]:
    """The settings as the variables that the program reads them from."""
    fields = type(settings).model_fields
    return {str(fields[name].validation_alias): str(getattr(settings, name)) for name in ENGINE_SETTINGS}
