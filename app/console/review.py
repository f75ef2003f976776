"""The review: where people, and nobody else, move a model version to Production.

What comes before the decision, the blind comparison of answers, is `app.console.blind`.
"""

from __future__ import annotations

import hashlib
import time
from typing import Annotated, Any, Literal
from urllib.parse import quote

import msgspec
from litestar import Request, Router, get, post
from litestar.params import FromPath
from litestar.response import Redirect, Template
from litestar.types import ControllerRouterHandler

from app.console.dependencies import Database, ReviewerToken, ReviewPolicy
from app.console.layout import page
from app.console.reviewers import (
    SESSION_SECONDS,
    bearer,
    check_origin,
    check_token,
    local_path,
    reviewer_of,
    session_cookie,
    session_of,
    signed_in,
)
from app.console.store.comet_models import ModelStore
from app.console.store.decisions import DecisionStore
from app.console.versions import manifest_of, reviewed
from app.http.bodies import read_json
from twin.errors import InputError
from twin.registry.policy import Policy
from twin.registry.signatures import ReviewKey

__all__ = ["route_handlers"]

VERDICTS: dict[str, Literal["approved", "rejected"]] = {"approve": "approved", "reject": "rejected"}
MAX_COMMENT = 4_000


class Verdict(msgspec.Struct):
    """Who decides, and why."""

    reviewer: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    comment: Annotated[str, msgspec.Meta(max_length=MAX_COMMENT)] = ""
    waiver: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    """Why a first version is approved without having been compared; shown as a waiver."""


@post("/{name:str}/{version:str}/{verdict:str}", status_code=200)
async def decide(
    name: FromPath[str],
    version: FromPath[str],
    verdict: FromPath[str],
    request: Request,
    database: Database,
    reviewer_token: ReviewerToken,
    policy: ReviewPolicy,
) -> dict[str, Any]:
    """Approves or rejects a version. Needs `Authorization: Bearer <reviewer token>`."""
    secret = bearer(request, reviewer_token)
    body = await read_json(request, Verdict)
    row = await record(name, version, verdict, body, database, secret, policy)
    return summary(row)


@get("/pending")
async def pending(request: Request, database: Database, reviewer_token: ReviewerToken) -> list[dict[str, Any]]:
    """The versions that await a decision, the longest waiting first. Needs the reviewer's token too."""
    bearer(request, reviewer_token)
    return [summary(row) for row in await ModelStore(database).pending()]


@get("/review")
async def review_page(
    request: Request, database: Database, reviewer_token: ReviewerToken, policy: ReviewPolicy
) -> Template:
    """What awaits a decision and what was decided, with the sign-in."""
    models = ModelStore(database)
    context = {
        "pending": await models.pending(),
        "decided": [await reviewed(row, database, reviewer_token, policy) for row in await models.decided()],
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
    name: FromPath[str],
    version: FromPath[str],
    request: Request,
    database: Database,
    reviewer_token: ReviewerToken,
    policy: ReviewPolicy,
) -> Redirect:
    """The buttons of a version's page."""
    reviewer, secret = signed_in(request, reviewer_token)
    form = await request.form()
    body = Verdict(reviewer=reviewer, comment=str(form.get("comment", ""))[:MAX_COMMENT])
    seen = str(form.get("manifest", "")) or None
    await record(name, version, str(form.get("verdict", "")), body, database, secret, policy, seen=seen)
    return Redirect(f"/models/{quote(name, safe='')}/{quote(version, safe='')}", status_code=303)


async def record(
    name: str,
    version: str,
    verb: str,
    said: Verdict,
    database: Database,
    token: str,
    policy: Policy,
    *,
    seen: str | None = None,
) -> dict[str, Any]:
    """Records and signs a vote on a version as it is now; `seen` is the SHA-256 of the manifest that was shown.

    Raises:
        InputError: `verb` is no decision, or the manifest is another one than the person saw.
    """
    verdict = verdict_of(verb)
    manifest = await manifest_of(await ModelStore(database).version(name, version), database)
    if seen is not None and seen != hashlib.sha256(manifest).hexdigest():
        raise InputError(f"The manifest of version {version} has changed since you opened its page. Read it again.")
    return await DecisionStore(database, ReviewKey(token), policy).decide(
        name,
        version,
        verdict,
        reviewer=said.reviewer,
        comment=said.comment,
        manifest=manifest,
        waiver=said.waiver if verdict == "approved" else None,
    )


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
