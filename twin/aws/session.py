"""A boto3 session by the usual chain of credentials, and clients whose errors say what to do.

The chain is boto3's own: the environment, the profile (AWS_PROFILE), single sign-on, the role of the container or the
instance. Keys have no setting of ours, so that none ends up in a `.env`.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from twin.errors import CloudUnavailable, NotAuthorized, SettingsError, TwinError
from twin.settings import AwsSettings, read

if TYPE_CHECKING:
    from collections.abc import Generator

    import boto3
    from botocore.exceptions import ClientError

__all__ = ["code_of", "identity", "make_client", "make_session", "region_of", "speaking"]

ATTEMPTS = 8
"""Throttled calls are slowed down and repeated by botocore's adaptive mode."""
CONNECT_SECONDS, READ_SECONDS = 10, 60
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"})
UNKNOWN_KEYS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
    }
)


def make_session(settings: AwsSettings | None = None) -> boto3.Session:
    """A session of the settings' profile and region. Connects to nothing.

    Raises:
        SettingsError: There is no such profile, or no region.
    """
    import boto3
    from botocore.exceptions import ProfileNotFound

    settings = settings or read(AwsSettings)
    try:
        session = boto3.Session(profile_name=settings.profile, region_name=settings.region)
    except ProfileNotFound as error:
        raise SettingsError(f"AWS_PROFILE={settings.profile}: {error}. See `aws configure list-profiles`.") from error
    if session.region_name is None:
        raise SettingsError(
            "No AWS region is set. Set AWS_REGION, for example to us-east-1, or a region in the profile."
        )
    return session


def make_client(session: boto3.Session, service: str) -> Any:
    """A client that repeats throttled calls, slower each time."""
    from botocore.config import Config

    patience = Config(
        retries={"mode": "adaptive", "max_attempts": ATTEMPTS},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
    )
    clients: Any = session  # its stubs name a service in each of 400 overloads
    return clients.client(service, config=patience)


def region_of(session: boto3.Session) -> str:
    """The region that calls go to."""
    return str(session.region_name)


def identity(session: boto3.Session) -> str:
    """Who we are to AWS, by ARN.

    Raises:
        NotAuthorized: Nobody, or with keys that AWS does not take.
        CloudUnavailable: AWS does not answer.
    """
    with speaking("AWS STS"):
        return make_client(session, "sts").get_caller_identity()["Arn"]


@contextlib.contextmanager
def speaking(to: str) -> Generator[None]:
    """Turns what goes wrong in calls of AWS in general into errors that say what to do; the others pass.

    Raises:
        NotAuthorized: There are no credentials, AWS does not take them, or they do not allow the call.
        CloudUnavailable: AWS does not answer, or not now.
    """
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        CredentialRetrievalError,
        HTTPClientError,
        NoCredentialsError,
        PartialCredentialsError,
        SSOTokenLoadError,
        UnauthorizedSSOTokenError,
    )

    try:
        yield
    except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError) as error:
        raise NotAuthorized(
            f"{to} was not asked: {error}. Give credentials by the usual chain: `aws sso login`, AWS_PROFILE, a role, "
            "or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment."
        ) from error
    except (SSOTokenLoadError, UnauthorizedSSOTokenError) as error:
        raise NotAuthorized(f"{to} was not asked: {error} Sign in again: `aws sso login`.") from error
    except ClientError as error:
        explained = _explained(to, error)
        if explained is None:
            raise
        raise explained from error
    except (HTTPClientError, BotoCoreError, Boto3Error) as error:
        raise CloudUnavailable(
            f"{to} does not answer: {error} Check the network and AWS_REGION{_elsewhere()}."
        ) from error


def code_of(error: Exception) -> str:
    """AWS's name of an error that a call ended with, or of the error that was made of it; empty for another's."""
    response = getattr(error, "response", None) or getattr(error.__cause__, "response", None) or {}
    return response.get("Error", {}).get("Code", "")


def _explained(to: str, error: ClientError) -> TwinError | None:
    code, said = code_of(error), error.response.get("Error", {}).get("Message", str(error))
    if code in UNKNOWN_KEYS:
        return NotAuthorized(f"{to} does not take the credentials: {said}. Sign in again, or check AWS_PROFILE.")
    if code in DENIED:
        return NotAuthorized(
            f"{to} refused {error.operation_name}: {said}. Allow it to whom `aws sts get-caller-identity` names."
        )
    if "Throttl" in code or code in ("TooManyRequestsException", "SlowDown", "RequestLimitExceeded"):
        return CloudUnavailable(f"{to} was asked too often, {ATTEMPTS} times in a row: {said}. Try again in a minute.")
    if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
        return CloudUnavailable(f"{to} failed on its side at {error.operation_name}: {said}. Try again.")
    return None


def _elsewhere() -> str:
    named = sorted(name for name in os.environ if name.startswith("AWS_ENDPOINT_URL"))
    return f" (and {', '.join(named)}, which are set)" if named else ""
