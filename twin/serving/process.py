"""One model, served by a child process for as long as a block lasts."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twin.errors import ModelUnavailable, PlatformError
from twin.processes import Child, Listener, wait_until
from twin.serving.client import ChatClient

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from twin.settings import EndpointSettings

__all__ = ["START_SECONDS", "ModelProcess", "model_process", "start_model"]

HOST = "127.0.0.1"
START_SECONDS = 120.0
STOP_SECONDS = 5.0
PING_SECONDS = 5.0
ENGINE_SETTINGS = (
    "context_tokens", "slots", "queue_limit", "answer_seconds", "repetition_penalty", "repetition_window", "threads",
)  # fmt: skip


@dataclass(frozen=True)
class ModelProcess:
    """The container program, running, and its address, which ends with it."""

    child: Child
    listener: Listener

    @property
    def url(self) -> str:
        return self.listener.url

    def is_loaded(self) -> bool:
        """Whether it can answer questions."""
        return self.listener.answers("/ping", PING_SECONDS)

    def answers_in_the_making(self) -> int:
        """How many questions it has not answered yet; 0 when it does not say."""
        said = self.listener.json("/ping")
        return said.get("active", 0) + said.get("waiting", 0)

    def stop(self) -> None:
        """Ends it. Who still waits to connect is refused."""
        self.child.stop()
        self.listener.close()

    def __enter__(self) -> ModelProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@contextlib.contextmanager
def model_process(path: Path, *, settings: EndpointSettings, log: Path | None = None) -> Generator[ChatClient]:
    """A client of the model at `path` (a .gguf file or a model folder), which runs until the block ends.

    Raises:
        ModelUnavailable: The model did not load; carries the last lines that the process wrote.
    """
    with start_model(path, settings=settings, log=log) as model:
        client = ChatClient(model.url, timeout=settings.timeout_seconds)
        try:
            _wait_until_loaded(model, path)
            yield client
        finally:
            client.close()


def start_model(
    path: Path,
    *,
    settings: EndpointSettings,
    name: str | None = None,
    sha256: str | None = None,
    log: Path | None = None,
    on_line: Callable[[str], None] | None = None,
) -> ModelProcess:
    """Starts the container program for the model at `path`, without waiting until it is loaded.

    Args:
        path: A .gguf file or a model folder.
        settings: For the engine.
        name: What replies call the model; without it, what its manifest says.
        sha256: Of the weights. The program reads every file before it loads one, and ends if these are others.
        log: A file for its output.
        on_line: Is given each line of its output.
    """
    listener = Listener(HOST)
    command = [sys.executable, "-m", "app.inference", "--model", str(path), *listener.arguments]
    if name:
        command += ["--name", name]
    if sha256:
        command += ["--sha256", sha256]
    child = Child(
        name or "model",
        command,
        env=_environment(settings) | listener.environment,
        log=log,
        on_line=on_line,
        grace=STOP_SECONDS,
        fds=[listener.fd],
    )
    return ModelProcess(child, listener)


def _wait_until_loaded(model: ModelProcess, path: Path) -> None:
    what = f"The model at {path}"
    try:
        wait_until(model.is_loaded, what=what, timeout=START_SECONDS, child=model.child)
    except PlatformError as error:
        raise ModelUnavailable(error.message, detail=error.detail) from error


def _environment(settings: EndpointSettings) -> dict[str, str]:
    """The settings as the variables that the program reads them from."""
    fields = type(settings).model_fields
    return {str(fields[name].validation_alias): str(getattr(settings, name)) for name in ENGINE_SETTINGS}
