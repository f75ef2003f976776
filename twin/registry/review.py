"""What a person's tools call to review models in the console. On Comet itself a person decides on Comet's page."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import quote

import httpx
import msgspec

from twin import http_clients
from twin.errors import AlreadyDecided, InputError, NotAuthorized, RegistryUnavailable, TwinError, UnknownName

__all__ = ["Review", "ReviewClient"]

TIMEOUT_SECONDS = 10.0
CONNECT_SECONDS = 2.0
REFUSALS: dict[int, type[TwinError]] = {400: InputError, 401: NotAuthorized, 404: UnknownName, 409: AlreadyDecided}


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """A version and where its review stands."""

    name: str
    version: str
    status: str
    review: Literal["none", "pending", "approved", "rejected"]
    reviewer: str | None = None
    comment: str | None = None
    decided_at: str | None = None
    """ISO 8601."""


class ReviewClient:
    """Acts for the person who holds the reviewer's token. Connects on use.

    Every method raises NotAuthorized for a wrong token, and RegistryUnavailable when the console does not answer.
    """

    def __init__(self, console_url: str, token: str, *, reviewer: str = "reviewer") -> None:
        self.console_url = console_url.rstrip("/")
        self._token = token
        self._reviewer = reviewer

    def approve(self, name: str, version: str, comment: str = "", *, reviewer: str | None = None) -> Review:
        """Moves a version to Production; the one that was there goes to Archived.

        Raises:
            UnknownName: There is no such version.
            AlreadyDecided: It was rejected before.
        """
        return self._decide("approve", name, version, comment, reviewer)

    def reject(self, name: str, version: str, comment: str = "", *, reviewer: str | None = None) -> Review:
        """Records that a version must not be deployed.

        Raises:
            UnknownName: There is no such version.
            AlreadyDecided: It was approved before.
        """
        return self._decide("reject", name, version, comment, reviewer)

    def pending(self) -> list[Review]:
        """The versions that await a decision, the longest waiting first."""
        return msgspec.convert(self._call("GET", "pending"), list[Review])

    def _decide(self, verdict: str, name: str, version: str, comment: str, reviewer: str | None) -> Review:
        path = f"{quote(name, safe='')}/{quote(version, safe='')}/{verdict}"
        body = {"reviewer": reviewer or self._reviewer, "comment": comment}
        return msgspec.convert(self._call("POST", path, json=body), Review)

    def _call(self, method: str, path: str, **request: Any) -> Any:
        try:
            response = http_clients.request(
                method,
                f"{self.console_url}/api/review/{path}",
                headers={"Authorization": f"Bearer {self._token}"},
                timeout=httpx.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS),
                **request,
            )
        except httpx.HTTPError as error:
            raise RegistryUnavailable(
                f"The console at {self.console_url} does not answer. Start it with `make up`.", detail=repr(error)
            ) from error
        if response.is_success:
            return response.json()
        kind = REFUSALS.get(response.status_code, RegistryUnavailable)
        raise kind(message_of(response))


def message_of(response: httpx.Response) -> str:
    """What the console says went wrong."""
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"The console answered HTTP {response.status_code}."
