"""The blind comparison of answers, as a page and for programs. Nothing here tells a side before all choices are stored.

Both give the same: the pairs with their choices, and who wrote what only from a ballot that is complete, which the
server knows from its own store and from nothing that was sent.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, TypeAlias, get_args
from urllib.parse import quote

import msgspec
from litestar import Request, Router, get, post
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect, Template
from litestar.types import ControllerRouterHandler

from app.console.dependencies import Database, ReviewerToken, ReviewPolicy
from app.console.layout import page
from app.console.reviewers import bearer, reviewer_of, signed_in
from app.console.store.ballots import Ballot, BallotStore
from app.console.store.comet_models import ModelStore
from app.console.versions import ballot_of, is_sealed, manifest_of, reviewed
from app.http.bodies import read_json
from twin.errors import InputError
from twin.registry.blind import Choice
from twin.registry.signatures import ReviewKey

__all__ = ["route_handlers"]

CHOICES: dict[str, Choice] = {name: name for name in get_args(Choice)}
Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
ReviewerName: TypeAlias = Annotated[str, QueryParameter(name="reviewer", min_length=1, max_length=200)]


class Choices(msgspec.Struct):
    """What a reviewer chose, by the numbers of the pairs; not all need to be there yet."""

    reviewer: Name
    choices: Annotated[dict[int, Choice], msgspec.Meta(max_length=100)]


@get("/{name:str}/{version:str}/blind")
async def ballot(
    name: FromPath[str],
    version: FromPath[str],
    reviewer: ReviewerName,
    request: Request,
    database: Database,
    reviewer_token: ReviewerToken,
    policy: ReviewPolicy,
) -> dict[str, Any]:
    """A reviewer's pairs. Needs `Authorization: Bearer <reviewer token>`."""
    ballots = BallotStore(database, ReviewKey(bearer(request, reviewer_token)), policy)
    row = await ModelStore(database).version(name, version)
    return told(await ballots.open(row, await manifest_of(row, database), reviewer))


@post("/{name:str}/{version:str}/blind", status_code=200)
async def choose(
    name: FromPath[str],
    version: FromPath[str],
    request: Request,
    database: Database,
    reviewer_token: ReviewerToken,
    policy: ReviewPolicy,
) -> dict[str, Any]:
    """Stores choices; the answer to the last of them tells who wrote what."""
    ballots = BallotStore(database, ReviewKey(bearer(request, reviewer_token)), policy)
    body = await read_json(request, Choices)
    row = await ModelStore(database).version(name, version)
    return told(await ballots.choose(row, await manifest_of(row, database), body.reviewer, body.choices))


@get("/review/{name:str}/{version:str}")
async def blind_page(
    name: FromPath[str],
    version: FromPath[str],
    request: Request,
    database: Database,
    reviewer_token: ReviewerToken,
    policy: ReviewPolicy,
) -> Template | Redirect:
    """The pairs of a version to choose from; its own page where there is nothing (left) to compare blind."""
    reviewer = reviewer_of(request, reviewer_token)
    shown = await reviewed(await ModelStore(database).version(name, version), database, reviewer_token, policy)
    known = await ballot_of(shown, database, reviewer_token, policy, reviewer)
    if not is_sealed(shown, known):
        return Redirect(page_of(name, version), status_code=303)
    opened = None
    if reviewer is not None and reviewer_token is not None:
        opened = await BallotStore(database, ReviewKey(reviewer_token), policy).open(
            shown.row, shown.manifest, reviewer
        )
    context = {
        "row": shown.row,
        "reviewer": reviewer,
        "manifest_sha256": hashlib.sha256(shown.manifest).hexdigest(),
        "pairs": told(opened)["pairs"] if opened else [],
        "left": len(opened.pairs) - len(opened.choices) if opened else 0,
    }
    return page("review_blind.html", active="/review", title=f"Compare {name} {version}", context=context)


@post("/review/{name:str}/{version:str}/blind", status_code=303)
async def choose_by_form(
    name: FromPath[str],
    version: FromPath[str],
    request: Request,
    database: Database,
    reviewer_token: ReviewerToken,
    policy: ReviewPolicy,
) -> Redirect:
    """Stores what is chosen on the page so far; with the last choice it leads to who wrote what."""
    reviewer, secret = signed_in(request, reviewer_token)
    form = await request.form()
    row = await ModelStore(database).version(name, version)
    manifest = await manifest_of(row, database)
    if str(form.get("manifest", "")) != hashlib.sha256(manifest).hexdigest():
        raise InputError(f"The manifest of version {version} has changed since you opened its page. Read it again.")
    after = await BallotStore(database, ReviewKey(secret), policy).choose(row, manifest, reviewer, chosen_in(form))
    here = f"/review/{quote(name, safe='')}/{quote(version, safe='')}"
    return Redirect(page_of(name, version) if after.is_complete else here, status_code=303)


def told(of: Ballot) -> dict[str, Any]:
    """What may be told of a ballot now. The sides and the tally are left out unless it is complete."""
    pairs = [
        {
            "number": pair.number,
            "instruction": pair.instruction,
            "author": pair.author,
            "reference": pair.reference,
            "passages": pair.passages,
            "a": pair.a,
            "b": pair.b,
            "choice": of.choices.get(pair.number),
        }
        for pair in of.pairs
    ]
    if of.tally is None:
        return {"complete": False, "pairs": pairs}
    return {
        "complete": True,
        "pairs": [{**told_pair, "tuned": pair.tuned} for told_pair, pair in zip(pairs, of.pairs, strict=True)],
        "tally": msgspec.to_builtins(of.tally),
        "share": of.tally.share,
        "interval": of.tally.interval,
    }


def chosen_in(form: Any) -> dict[int, Choice]:
    """The choices in a form whose fields are `pair-1`, `pair-2` and so on.

    Raises:
        InputError: One is no choice.
    """
    found: dict[int, Choice] = {}
    for field, value in form.items():
        number = field.removeprefix("pair-")
        if number == field or not (number.isascii() and number.isdecimal() and len(number) <= 3):
            continue
        if value not in CHOICES:
            raise InputError(f"{str(value)[:50]!r} is no choice; use a, b or tie.")
        found[int(number)] = CHOICES[value]
    return found


def page_of(name: str, version: str) -> str:
    """Where a version's own page is."""
    return f"/models/{quote(name, safe='')}/{quote(version, safe='')}"


route_handlers: list[ControllerRouterHandler] = [
    Router("/api/review", route_handlers=[ballot, choose]),
    blind_page,
    choose_by_form,
]
