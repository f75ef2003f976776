"""What a model endpoint is: versions are deployed to it, and the old one answers until the new one does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["DEPLOY_SECONDS", "Endpoint", "EndpointState", "EndpointStatus"]

DEPLOY_SECONDS = 120.0

EndpointState = Literal["Absent", "Creating", "Updating", "InService", "Failed"]
"""SageMaker's words. `Creating`: nothing answers yet; `Updating`: the old version answers while the new one starts."""


class EndpointStatus(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint as it is now."""

    state: EndpointState
    version: str | None = None
    """The version that answers; while none does, the one that did last and will again."""
    url: str | None = None
    """Where it answers; None when it does not."""
    previous: str | None = None
    """The version that `rollback` goes back to."""
    held: tuple[str, ...] = ()
    """Versions that a person took out of service (`rollback`, `delete`) since the last deployment."""
    message: str = ""
    """What went wrong last, or what is going on."""
    outside: bool = False
    """Whether it is a server that the settings name, to which nothing is deployed."""

    @property
    def in_words(self) -> str:
        """Which version answers, or why none does."""
        if self.state == "InService":
            return f"version {self.version}" if self.version else f"the server at {self.url}"
        return self.message.partition("\n")[0] or "no model is deployed"


class Endpoint(Protocol):
    """Where the approved model is served."""

    def deploy(self, version: str, folder: Path, sha256: str, timeout: float = DEPLOY_SECONDS) -> EndpointStatus:
        """Serves the model in `folder` as `version`; returns once it answers. Deploying what is served changes nothing.

        At this and every later start, the files must be those whose `weights_sha256` is `sha256`.

        Raises:
            ModelUnavailable: It did not come up within `timeout` seconds, says why; what was served before still is.
        """
        ...

    def status(self) -> EndpointStatus:
        """The endpoint as it is now; cheap enough to ask for every request."""
        ...

    def rollback(self) -> EndpointStatus:
        """Serves the version before this one again, and holds this one.

        Raises:
            UnknownName: There was none.
            ModelUnavailable: It did not come up.
        """
        ...

    def delete(self) -> None:
        """Stops serving, and holds the version that was served. The model's files stay."""
        ...
