"""The endpoint of this machine: it says in files what should be served, and the host process makes it so."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from twin.errors import ModelUnavailable, UnknownName
from twin.records import utcnow
from twin.serving.client import ChatClient
from twin.serving.endpoint import DEPLOY_SECONDS, EndpointStatus
from twin.serving.state import EndpointFiles, HostStatus, Request

if TYPE_CHECKING:
    from pathlib import Path

    from twin.settings import EndpointSettings

__all__ = ["LocalEndpoint", "resolve_client"]

POLL_SECONDS = 0.05
SILENT_SECONDS = 15.0
"""The host looks ten times a second; stopping a process may hold it up for some."""
NO_HOST = "The endpoint host of {folder} does not run. Start the stack: `make up`."
NONE_DEPLOYED = (
    "No model is deployed yet. Approve a version, on the console's review page or with "
    "`llm-twin models approve VERSION`; it is deployed then."
)

TAKEN_OUT = (
    "The endpoint was deleted, and {versions} taken out of service with it. `llm-twin materialize deploy --force` "
    "serves the approved version again."
)


class LocalEndpoint:
    """An `Endpoint` over the files in `root/endpoint`."""

    def __init__(self, root: Path) -> None:
        self._files = EndpointFiles(root)

    def host_is_running(self) -> bool:
        """Whether the host process is there to do what it is told."""
        return self._files.host_is_running()

    def host_is_well(self) -> bool:
        """Whether the host process gives signs of life."""
        return self._files.host_is_running() and self._files.since_last_beat() < SILENT_SECONDS

    def is_settled(self) -> bool:
        """Whether what shall answer does, or could not be started: waiting longer tells nothing new."""
        said = self._files.status()
        if said.host != self._files.host():
            return said.state == "Absent"
        return said.state not in ("Creating", "Updating") or said.attempts > 0

    def deploy(self, version: str, folder: Path, sha256: str, timeout: float = DEPLOY_SECONDS) -> EndpointStatus:
        """See `Endpoint`."""
        self._require_host()
        config = self._files.config(version, folder, sha256)
        self._ask(Request(config=config, requested_at=utcnow()), timeout)
        return self.status()

    def status(self) -> EndpointStatus:
        """See `Endpoint`."""
        said, request = self._files.status(), self._files.request()
        status = EndpointStatus(
            state=said.state,
            version=said.config.version if said.config else None,
            url=said.url,
            previous=said.previous.version if said.previous else None,
            held=request.held if request else (),
            message=said.message,
        )
        if said.state == "Absent":
            return status
        if not self._files.host_is_running():
            message = NO_HOST.format(folder=self._files.folder)
            return msgspec.structs.replace(status, state="Failed", url=None, message=message)
        if said.host != self._files.host():  # what the host before it said
            return msgspec.structs.replace(status, state="Creating", url=None, message="The endpoint host starts.")
        return status

    def rollback(self) -> EndpointStatus:
        """See `Endpoint`."""
        previous = self._files.status().previous
        if previous is None:
            raise UnknownName("There is no earlier version to go back to. See `llm-twin models list`.")
        self._require_host()
        held = tuple(version for version in self._held_with_served() if version != previous.version)
        self._ask(Request(config=previous, requested_at=utcnow(), held=held), DEPLOY_SECONDS)
        return self.status()

    def delete(self) -> None:
        """See `Endpoint`."""
        request = Request(config=None, requested_at=utcnow(), held=self._held_with_served())
        if self._files.host_is_running():
            self._ask(request, DEPLOY_SECONDS)
            return
        self._files.write_request(request)
        self._files.write_status(HostStatus(answered=request.id))

    def _held_with_served(self) -> tuple[str, ...]:
        """What is held, and the version that is served now."""
        status = self.status()
        served = {status.version} if status.version else set()
        return tuple(sorted({*status.held, *served}))

    def _ask(self, request: Request, timeout: float) -> None:
        """Asks the host for something and waits until it has done that, or could not."""
        self._files.write_request(request)
        deadline = time.monotonic() + timeout
        while (said := self._files.status()).answered != request.id:
            self._require_host()
            wanted = self._files.request()
            if wanted is None or wanted.id != request.id:
                raise ModelUnavailable("Another deployment replaced this one. See `llm-twin endpoint status`.")
            if time.monotonic() > deadline:
                config = request.config
                what = f"Version {config.version} does not answer" if config else "The model is not stopped"
                raise ModelUnavailable(f"{what} after {timeout:.0f} s. See logs/endpoint.log in TWIN_HOME.")
            time.sleep(POLL_SECONDS)
        if said.error:
            raise ModelUnavailable(said.error)

    def _require_host(self) -> None:
        if not self._files.host_is_running():
            raise ModelUnavailable(NO_HOST.format(folder=self._files.folder))


def resolve_client(settings: EndpointSettings, root: Path) -> ChatClient:
    """The client of the model that answers now: at `MODEL_ENDPOINT_URL`, or at this home's endpoint.

    Clients are kept per address, so that calling this for every request costs a file's `stat` and keeps connections.

    Raises:
        ModelUnavailable: None does; says what to do.
    """
    if settings.url:
        key = settings.api_key.get_secret_value() if settings.api_key else None
        return _client(settings.url, settings.model, key, settings.timeout_seconds, settings.answer_seconds)
    status = _endpoint(root).status()
    if status.url:
        name = f"{settings.name}@{status.version}"
        return _client(status.url, name, None, settings.timeout_seconds, settings.answer_seconds)
    if status.state == "Absent" and status.held:
        raise ModelUnavailable(TAKEN_OUT.format(versions=", ".join(status.held)))
    if status.state == "Absent":
        raise ModelUnavailable(NONE_DEPLOYED)
    what = status.message.partition("\n")[0] or f"The endpoint is {status.state}."  # the model's own log may follow
    advice = "Try again in a few seconds." if status.state == "Creating" else "See `llm-twin endpoint status`."
    raise ModelUnavailable(f"{what} {advice}", detail=status.message)


@lru_cache(maxsize=8)
def _endpoint(root: Path) -> LocalEndpoint:
    return LocalEndpoint(root)


@lru_cache(maxsize=8)
def _client(url: str, model: str | None, api_key: str | None, timeout: float, answer_seconds: float) -> ChatClient:
    return ChatClient(url, model=model, api_key=api_key, timeout=timeout, answer_seconds=answer_seconds)
