"""What a person's tools call to review models in the console. On Comet itself a person decides on Comet's page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import httpx
import msgspec

from twin import http_clients
from twin.errors import (
    AlreadyDecided,
    InputError,
    NotAuthorized,
    RegistryUnavailable,
    ReviewRequired,
    TwinError,
    UnknownName,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twin.registry.blind import Choice

__all__ = ["Review", "ReviewClient"]

TIMEOUT_SECONDS = 10.0
CONNECT_SECONDS = 2.0
REFUSALS: dict[int, type[TwinError]] = {
    400: InputError,
    401: NotAuthorized,
    403: ReviewRequired,
    404: UnknownName,
    409: AlreadyDecided,
}


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

    def approve(
        self, name: str, version: str, comment: str = "", *, reviewer: str | None = None, waiver: str | None = None
    ) -> Review:
        """Approves a version. With the last approval that the policy asks for it goes to Production, and the one that
        was there to Archived.

        A `waiver` says why the first version of a model is approved without a blind comparison.

        Raises:
            UnknownName: There is no such version.
            AlreadyDecided: It was rejected before.
            ReviewRequired: This reviewer has not compared the answers, or may not waive that.
        """
        return self._decide("approve", name, version, comment, reviewer, waiver)

    def reject(self, name: str, version: str, comment: str = "", *, reviewer: str | None = None) -> Review:
        """Records that a version must not be deployed.

        Raises:
            UnknownName: There is no such version.
            AlreadyDecided: It was approved before.
        """
        return self._decide("reject", name, version, comment, reviewer)

    def ballot(self, name: str, version: str, *, reviewer: str | None = None) -> dict[str, Any]:
        """The reviewer's pairs of answers with what they chose; once complete, also `tally` and who wrote what.

        Raises:
            UnknownName: There is no such version.
            InputError: It has too few pairs of answers.
            AlreadyDecided: It was decided, and this reviewer has no pairs of it.
        """
        return self._call("GET", _path(name, version, "blind"), params={"reviewer": reviewer or self._reviewer})

    def choose(
        self, name: str, version: str, choices: Mapping[int, Choice], *, reviewer: str | None = None
    ) -> dict[str, Any]:
        """Stores choices by the pairs' numbers; the answer is the ballot as it is then.

        Raises:
            UnknownName: There is no such version.
            InputError: There is no such pair.
            AlreadyDecided: All choices were made, and these are others.
        """
        body = {
            "reviewer": reviewer or self._reviewer,
            "choices": {str(pair): chosen for pair, chosen in choices.items()},
        }
        return self._call("POST", _path(name, version, "blind"), json=body)

    def pending(self) -> list[Review]:
        """The versions that await a decision, the longest waiting first."""
        return msgspec.convert(self._call("GET", "pending"), list[Review])

    def _decide(
        self, verdict: str, name: str, version: str, comment: str, reviewer: str | None, waiver: str | None = None
    ) -> Review:
        body = {"reviewer": reviewer or self._reviewer, "comment": comment} | ({"waiver": waiver} if waiver else {})
        return msgspec.convert(self._call("POST", _path(name, version, verdict), json=body), Review)

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


def _path(name: str, version: str, what: str) -> str:
    return f"{quote(name, safe='')}/{quote(version, safe='')}/{what}"


def message_of(response: httpx.Response) -> str:
    """What the console says went wrong."""
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"The console answered HTTP {response.status_code}."
