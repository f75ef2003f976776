"""Who reviews: the token that programs send, and the session that a browser holds instead.

Programs that act for a person send the reviewers' token. A browser signs in with it once and then holds a session
cookie that scripts cannot read and other sites cannot send; forms are taken only from this console's own pages.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from urllib.parse import urlsplit

from litestar import Request
from litestar.datastructures import Cookie
from litestar.exceptions import PermissionDeniedException

from twin.errors import NotAuthorized

__all__ = [
    "COOKIE",
    "SESSION_SECONDS",
    "bearer",
    "check_origin",
    "check_token",
    "local_path",
    "reviewer_of",
    "session_cookie",
    "session_of",
    "signed_in",
]

COOKIE = "llm_twin_reviewer"
SESSION_SECONDS = 12 * 3600


def bearer(request: Request, expected: str | None) -> str:
    """The reviewers' token that a program sent in its `Authorization` header.

    Raises:
        NotAuthorized: It is not the reviewer's token, or this console has none.
    """
    return check_token(request.headers.get("authorization", "").removeprefix("Bearer ").strip(), expected)


def signed_in(request: Request, reviewer_token: str | None) -> tuple[str, str]:
    """The reviewer who sent a form of this console, and the token that signs for them.

    Raises:
        PermissionDeniedException: The form is not of this console.
        NotAuthorized: Nobody is signed in.
    """
    check_origin(request)
    reviewer = reviewer_of(request, reviewer_token)
    if reviewer is None or reviewer_token is None:
        raise NotAuthorized("Sign in on the review page first; only a reviewer decides.")
    return reviewer, reviewer_token


def reviewer_of(request: Request, reviewer_token: str | None) -> str | None:
    """The reviewer who is signed in in this browser, or None."""
    session = request.cookies.get(COOKIE, "")
    if not reviewer_token or session.count(".") != 2:
        return None
    encoded, expires, _ = session.split(".")
    try:
        reviewer, end = base64.urlsafe_b64decode(encoded).decode(), int(expires)
    except (binascii.Error, ValueError):
        return None
    signed = hmac.compare_digest(session.encode(), session_of(reviewer, reviewer_token, end).encode())
    return reviewer if signed and time.time() < end else None


def session_cookie(value: str, max_age: int) -> Cookie:
    """The session's cookie, out of reach of scripts and of other sites."""
    return Cookie(key=COOKIE, value=value, max_age=max_age, httponly=True, samesite="strict")


def session_of(reviewer: str, secret: str, expires: int) -> str:
    """The cookie: the reviewer's name and the session's end in seconds since 1970, signed with the token.

    The token itself never enters the cookie, and a copied cookie is of no use after the session's end.
    """
    encoded = base64.urlsafe_b64encode(reviewer.encode()).decode()
    signature = hmac.new(secret.encode(), f"console session of {reviewer} until {expires}".encode(), hashlib.sha256)
    return f"{encoded}.{expires}.{signature.hexdigest()}"


def check_token(given: str, expected: str | None) -> str:
    """Compares in constant time; returns the token.

    Raises:
        NotAuthorized: It is not the reviewer's token, or this console has none.
    """
    if not expected:
        raise NotAuthorized("This console has no reviewer token, so nobody can decide here. Set REVIEWER_TOKEN.")
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise NotAuthorized("This is not the reviewer's token. Locally it is in TWIN_HOME/reviewer-token.")
    return expected


def check_origin(request: Request) -> None:
    """A form from another site, or from none, is not a person's click on this console.

    Raises:
        PermissionDeniedException: The request does not come from one of this console's pages.
    """
    if urlsplit(request.headers.get("origin", "")).netloc != request.headers.get("host"):
        raise PermissionDeniedException("This form was not sent from the console's own page.")


def local_path(target: str) -> str:
    """`target` if it is a path of this console, else the review page."""
    return target if target.startswith("/") and not target.startswith(("//", "/\\")) else "/review"
