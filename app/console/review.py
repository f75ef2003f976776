"""The review: where a person, and nobody else, moves a model version to Production.

Programs that act for a person send the reviewer's token. A browser signs in with it once and then holds a session
cookie that scripts cannot read and other sites cannot send; forms are taken only from this console's own pages.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

import msgspec
from litestar import Request, Router, get, post
from litestar.datastructures import Cookie
from litestar.exceptions import PermissionDeniedException
from litestar.params import FromPath
from litestar.response import Redirect, Template
from litestar.types import ControllerRouterHandler

from app.console.dependencies import Database, ReviewerToken
from app.console.layout import page
from app.console.store.comet_models import ModelStore
from app.console.versions import manifest_of, reviewed
from app.http.bodies import read_json
from twin.errors import InputError, NotAuthorized
from twin.registry.signatures import ReviewKey

__all__ = ["reviewer_of", "route_handlers"]

COOKIE = "llm_twin_reviewer"
SESSION_SECONDS = 12 * 3600
VERDICTS: dict[str, Literal["approved", "rejected"]] = {"approve": "approved", "reject": "rejected"}
MAX_COMMENT = 4_000


class Verdict(msgspec.Struct):
    """Who decides, and why."""

    reviewer: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    comment: Annotated[str, msgspec.Meta(max_length=MAX_COMMENT)] = ""


@post("/{name:str}/{version:str}/{verdict:str}", status_code=200)
async def decide(
    name: FromPath[str],
    version: FromPath[str],
    verdict: FromPath[str],
    request: Request,
    database: Database,
    reviewer_token: ReviewerToken,
) -> dict[str, Any]:
    """Approves or rejects a version. Needs `Authorization: Bearer <reviewer token>`."""
    secret = check_token(request.headers.get("authorization", "").removeprefix("Bearer ").strip(), reviewer_token)
    body = await read_json(request, Verdict)
    row = await record(name, version, verdict, body, database, secret)
    return summary(row)


@get("/pending")
async def pending(request: Request, database: Database, reviewer_token: ReviewerToken) -> list[dict[str, Any]]:
    """The versions that await a decision, the longest waiting first. Needs the reviewer's token too."""
    check_token(request.headers.get("authorization", "").removeprefix("Bearer ").strip(), reviewer_token)
    return [summary(row) for row in await ModelStore(database).pending()]


@get("/review")
async def review_page(request: Request, database: Database, reviewer_token: ReviewerToken) -> Template:
    """What awaits a decision and what was decided, with the sign-in."""
    models = ModelStore(database)
    context = {
        "pending": await models.pending(),
        "decided": [await reviewed(row, database, reviewer_token) for row in await models.decided()],
        "reviewer": reviewer_of(request, reviewer_token),
    }
    return page("review.html", active="/review", title="Review", context=context)


@post("/review/sign-in", status_code=303)
async def sign_in(request: Request, reviewer_token: ReviewerToken) -> Redirect:
    """Starts a reviewer's session in this browser."""
    check_origin(request)
    form = await request.form()
    reviewer = str(form.get("reviewer", "")).strip()[:200]
    if not reviewer:
        raise InputError("Say who you are: the decision is recorded with your name.")
    secret = check_token(str(form.get("token", "")).strip(), reviewer_token)
    cookie = session_cookie(session_of(reviewer, secret, int(time.time()) + SESSION_SECONDS), SESSION_SECONDS)
    return Redirect(local_path(str(form.get("next", ""))), status_code=303, cookies=[cookie])


@post("/review/sign-out", status_code=303)
async def sign_out(request: Request) -> Redirect:
    """Ends the session."""
    check_origin(request)
    return Redirect("/review", status_code=303, cookies=[session_cookie("", 0)])


@post("/review/{name:str}/{version:str}", status_code=303)
async def decide_by_form(
    name: FromPath[str], version: FromPath[str], request: Request, database: Database, reviewer_token: ReviewerToken
) -> Redirect:
    """The buttons of a version's page."""
    check_origin(request)
    reviewer = reviewer_of(request, reviewer_token)
    if reviewer is None or reviewer_token is None:
        raise NotAuthorized("Sign in on the review page first; only a reviewer decides.")
    form = await request.form()
    body = Verdict(reviewer=reviewer, comment=str(form.get("comment", ""))[:MAX_COMMENT])
    seen = str(form.get("manifest", "")) or None
    await record(name, version, str(form.get("verdict", "")), body, database, reviewer_token, seen=seen)
    return Redirect(f"/models/{quote(name, safe='')}/{quote(version, safe='')}", status_code=303)


async def record(
    name: str, version: str, verb: str, said: Verdict, database: Database, token: str, *, seen: str | None = None
) -> dict[str, Any]:
    """Records and signs a decision on a version as it is now; `seen` is the SHA-256 of the manifest that was shown.

    Raises:
        InputError: `verb` is no decision, or the manifest is another one than the person saw.
    """
    verdict, models = verdict_of(verb), ModelStore(database)
    manifest = await manifest_of(await models.version(name, version), database)
    if seen is not None and seen != hashlib.sha256(manifest).hexdigest():
        raise InputError(f"The manifest of version {version} has changed since you opened its page. Read it again.")
    return await models.decide(
        name,
        version,
        verdict,
        reviewer=said.reviewer,
        comment=said.comment,
        key=ReviewKey(token),
        manifest=manifest,
    )


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


def verdict_of(verb: str) -> Literal["approved", "rejected"]:
    """The verdict of a verb.

    Raises:
        InputError: It is neither `approve` nor `reject`.
    """
    if verb not in VERDICTS:
        raise InputError(f"{verb!r} is not a decision; use approve or reject.")
    return VERDICTS[verb]


def summary(row: dict[str, Any]) -> dict[str, Any]:
    """A version and where its review stands."""
    request = row["request"] or {}
    return {
        "name": row["name"],
        "version": row["version"],
        "status": row["status"],
        "review": request.get("state", "none"),
        "reviewer": request.get("reviewer"),
        "comment": request.get("decision_comment"),
        "decided_at": request.get("decided_at"),
    }


route_handlers: list[ControllerRouterHandler] = [
    Router("/api/review", route_handlers=[decide, pending]),
    review_page,
    sign_in,
    sign_out,
    decide_by_form,
]
