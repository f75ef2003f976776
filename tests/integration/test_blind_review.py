"""The blind comparison on a console process over a real mongod: what it tells, when, and to whom."""

from __future__ import annotations

import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import typer

from llm_twin_dagster.cli import reviewing
from twin.errors import AlreadyDecided, InputError, ReviewRequired
from twin.processes import Child, answers, free_port, wait_until
from twin.registry.comet import CometRegistry
from twin.registry.policy import Policy
from twin.registry.review import ReviewClient
from twin.registry.signatures import ReviewKey

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

TOKEN = "the-reviewers-token"
PAIRS = 10
SECRETS = ("tuned", "31.4159")
"""What no page may say before the choices are stored: the word for a side, and a score."""
EXAMPLES = [
    {
        "instruction": f"Question {number}?",
        "author": "Ada",
        "reference": f"As written, {number}.",
        "base": f"Plain, {number}.",
        "tuned": f"In a voice, {number}.",
        "passages": [f"Shown, {number}."],
    }
    for number in range(PAIRS)
]
MANIFEST: dict[str, Any] = {
    "sha256": "abc",
    "dataset_version": "d1",
    "base_model": "smollm2",
    "scores": {"chrf_base": 20.5, "chrf_tuned": 31.4159},
    "gate": {"verdict": "not worse", "rows": [{"metric": "chrf", "measured": 31.4159, "verdict": "not worse"}]},
    "examples": EXAMPLES,
}


@pytest.fixture(scope="module")
def console(mongo_uri: str) -> Iterator[str]:
    """A console process where an approval takes two people."""
    from pymongo import MongoClient

    database = "test_blind_review"
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "app.console", "--port", url.rpartition(":")[2]]
    env = {"MONGODB_URI": mongo_uri, "MONGODB_DATABASE": database, "REVIEWER_TOKEN": TOKEN, "REVIEW_APPROVALS": "2"}
    with Child("console", command, env=env) as child, MongoClient(mongo_uri) as client:
        wait_until(lambda: answers(url + "/health/ready"), what="console", timeout=60, child=child)
        yield url
        client.drop_database(database)


@pytest.fixture
def registry(console: str) -> Iterator[CometRegistry]:
    client = CometRegistry(
        console + "/comet/", "local", "llm-twin", review_key=ReviewKey(TOKEN), policy=Policy(approvals=2)
    )
    yield client
    client.close()


@pytest.fixture
def reviews(console: str) -> ReviewClient:
    return ReviewClient(console, TOKEN, reviewer="Ada")


@pytest.fixture
def name(console: str, request: pytest.FixtureRequest) -> str:
    """A model of this test alone, whose version 1.0.0 awaits review."""
    return registered(console, request, MANIFEST)


def registered(console: str, request: pytest.FixtureRequest, manifest: dict[str, Any]) -> str:
    """Registered over HTTP as the SDK does it; `test_registry` does it with the SDK itself."""
    name = re.sub("[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    about = {"experimentId": name, "assetId": name, "fileName": "manifest.json", "groupingName": name}
    create = {"experimentKey": name, "experimentModelName": name, "registryModelName": name, "version": "1.0.0"}
    body = {"experimentKey": name, "projectName": "p", "teamName": "llm-twin"}
    with httpx.Client(base_url=console, headers={"Authorization": "local"}) as http:
        http.post("/comet/logger/add/run", json=body).raise_for_status()
        files = {"file": json.dumps(manifest).encode()}
        http.post("/comet/asset/upload", params=about, files=files).raise_for_status()
        made = http.post("/api/rest/v2/write/registry-model/item/create", json=create | {"status": "Development"})
        item = made.raise_for_status().json()["registryModelItemId"]
        wanted = {"status": "Production", "isReviewRequired": True, "statusConfiguration": []}
        http.post(f"/api/rest/v2/write/registry-model/item/{item}/status-configuration", json=wanted).raise_for_status()
    return name


@contextmanager
def browser(console: str, reviewer: str | None = "Ada") -> Generator[httpx.Client]:
    """A browser's session, as far as a browser matters here."""
    with httpx.Client(base_url=console, headers={"Origin": console, "Accept": "text/html"}) as http:
        if reviewer is not None:
            http.post("/review/sign-in", data={"reviewer": reviewer, "token": TOKEN})
        yield http


def preferring(ballot: dict[str, Any], beginning: str) -> dict[int, Any]:
    """The choices of somebody who knows how an answer begins."""
    return {pair["number"]: "a" if pair["a"].startswith(beginning) else "b" for pair in ballot["pairs"]}


def test_nothing_tells_a_side_or_a_score_before_all_choices_are_stored(
    console: str, reviews: ReviewClient, name: str
) -> None:
    ballot = reviews.ballot(name, "1.0.0")
    choices = preferring(ballot, "In a voice")
    last = choices.popitem()
    told = [json.dumps(ballot), json.dumps(reviews.choose(name, "1.0.0", choices))]
    pages = (f"/review/{name}/1.0.0", f"/models/{name}/1.0.0", f"/models/{name}", "/models", "/review")
    for reviewer in ("Ada", "Bob", None):
        with browser(console, reviewer) as http:
            told += [http.get(page).raise_for_status().text for page in pages]
    assert [secret for text in told for secret in SECRETS if re.search(rf"\b{secret}\b", text)] == []

    revealed = reviews.choose(name, "1.0.0", dict([last]))
    assert revealed["tally"] == {"pairs": PAIRS, "tuned": PAIRS, "base": 0, "ties": 0}
    assert revealed["interval"] == pytest.approx([0.722, 1.0], abs=1e-3)
    assert {pair["number"]: pair["tuned"] for pair in revealed["pairs"]} == {**choices, **dict([last])}
    version = f"/models/{name}/1.0.0"
    with browser(console) as ada, browser(console, "Bob") as bob, browser(console, None) as nobody:
        assert "31.42" in ada.get(version).text
        assert ada.get(f"/review/{name}/1.0.0").headers["location"] == version
        for http in (bob, nobody):
            text = http.get(version).text
            assert "31.42" not in text
            assert "for the tuned model" not in text


def test_a_reviewers_sides_stay_and_are_their_own(console: str, reviews: ReviewClient, name: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: reviews.ballot(name, "1.0.0"), range(8)))
    assert all(ballot == opened[0] for ballot in opened)
    assert reviews.ballot(name, "1.0.0", reviewer=" ada") == opened[0]
    others = [reviews.ballot(name, "1.0.0", reviewer=f"somebody {number}") for number in range(4)]
    assert all(ballot != opened[0] for ballot in others)


def test_choices_stay_once_the_sides_were_told(console: str, reviews: ReviewClient, name: str) -> None:
    choices = preferring(reviews.ballot(name, "1.0.0"), "Plain")
    with ThreadPoolExecutor(4) as pool:
        revealed = list(pool.map(lambda _: reviews.choose(name, "1.0.0", choices), range(4)))
    assert all(told == revealed[0] for told in revealed)
    assert revealed[0]["tally"]["base"] == PAIRS
    with pytest.raises(AlreadyDecided, match="stay as they are"):
        reviews.choose(name, "1.0.0", {1: "tie"})
    with browser(console) as http:
        text = http.get(f"/models/{name}/1.0.0").text
    assert text.count("answers compared") == 1


def test_a_person_reviews_at_the_terminal_and_goes_on_where_they_stopped(
    registry: CometRegistry,
    reviews: ReviewClient,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = iter(["x", "t", "a", *["t"] * (PAIRS - 2), "approve", "Warm."])
    asked: list[str] = []

    def prompt(question: str, **_: object) -> str:
        asked.append(question)
        if len(asked) == 4:
            raise typer.Abort
        return next(said)

    monkeypatch.setattr(typer, "prompt", prompt)
    version = registry.get(name, "1.0.0")
    with pytest.raises(typer.Abort):
        reviewing.compare_blind(reviews, version, "Ada")
    assert [pair["choice"] for pair in reviews.ballot(name, "1.0.0")["pairs"][:3]] == ["tie", "a", None]
    assert "tuned" not in capsys.readouterr().out
    reviewing.compare_blind(reviews, version, "Ada")
    reviewing.show_findings(version, registry)
    reviewing.decide(reviews, version, "Ada")
    told = capsys.readouterr().out
    assert f"{PAIRS - 1} tied" in told
    assert "31.4159" in told
    assert "1.0.0 is pending now. More approvals are needed" in told
    assert registry.get(name, "1.0.0").approved_by == ["Ada"]


def test_two_people_compare_and_approve_before_a_version_is_in_production(
    console: str, registry: CometRegistry, reviews: ReviewClient, name: str
) -> None:
    with pytest.raises(ReviewRequired, match=r"blind before you approve it, as Ada.*models review 1\.0\.0"):
        reviews.approve(name, "1.0.0")
    reviews.choose(name, "1.0.0", preferring(reviews.ballot(name, "1.0.0"), "In"))
    first = reviews.approve(name, "1.0.0", "Warmer.")
    assert (first.status, first.review) == ("Development", "pending")
    assert registry.get(name, "1.0.0").approved_by == ["Ada"]
    assert reviews.approve(name, "1.0.0").review == "pending"
    with pytest.raises(ReviewRequired, match="as Bob"):
        reviews.approve(name, "1.0.0", reviewer="Bob")
    with browser(console, "Bob") as http:
        assert "1 of 2 approvals: Ada" in http.get(f"/models/{name}/1.0.0").text
        assert "Warmer." not in http.get(f"/models/{name}/1.0.0").text

    ballot = reviews.ballot(name, "1.0.0", reviewer="Bob")
    reviews.choose(name, "1.0.0", preferring(ballot, "Plain"), reviewer="Bob")
    assert reviews.approve(name, "1.0.0", reviewer="Bob").review == "approved"
    approved = registry.approved(name)
    assert approved is not None
    assert approved.approved_by == ["Ada", "Bob"]
    with browser(console, None) as http:
        text = http.get(f"/models/{name}/1.0.0").text
    assert "Warmer." in text
    assert "0 for the tuned model, 10 for its base, 0 tied" in text


def test_a_person_compares_by_form_and_may_stop_on_the_way(console: str, reviews: ReviewClient, name: str) -> None:
    here = f"/review/{name}/1.0.0"
    with browser(console) as http:
        html = http.get(here).text
        shown = re.search(r'name="manifest" value="(\w+)"', html)
        assert shown
        form = {"manifest": shown[1], "pair-1": "tie", "pair-2": "a"}
        assert http.post(f"{here}/blind", data=form).headers["location"] == here
        assert "8 of 10 are left" in http.get(here).text
        assert http.get(here).text.count(" checked") == 2
        rest = {f"pair-{number}": "tie" for number in range(1, PAIRS + 1)}
        assert http.post(f"{here}/blind", data={**form, **rest}).headers["location"] == f"/models/{name}/1.0.0"
        assert "0 for its base, 10 tied" in http.get(f"/models/{name}/1.0.0").text
        stale = {**form, "manifest": "0" * 64}
        assert "Read it again" in http.post(f"{here}/blind", data=stale).text


def test_too_few_pairs_leave_the_decision_to_the_policy(
    console: str, reviews: ReviewClient, request: pytest.FixtureRequest
) -> None:
    name = registered(console, request, MANIFEST | {"examples": EXAMPLES[:7]})
    with pytest.raises(InputError, match="fewer than 8 pairs"):
        reviews.ballot(name, "1.0.0")
    with browser(console) as http:
        assert http.get(f"/review/{name}/1.0.0").headers["location"] == f"/models/{name}/1.0.0"
        text = http.get(f"/models/{name}/1.0.0").text
        assert "A blind review is not possible" in text
        assert "In a voice, 3." in text
    reviews.approve(name, "1.0.0")
    assert reviews.approve(name, "1.0.0", reviewer="Bob").review == "approved"


def test_what_the_gate_found_worse_cannot_be_approved(
    console: str, reviews: ReviewClient, request: pytest.FixtureRequest
) -> None:
    name = registered(console, request, MANIFEST | {"gate": {"verdict": "worse"}, "examples": []})
    with pytest.raises(InputError, match=r"found version 1\.0\.0 worse"):
        reviews.approve(name, "1.0.0", waiver="anything")
    assert reviews.reject(name, "1.0.0").review == "rejected"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "local"}])
def test_without_the_reviewers_token_nobody_compares(console: str, name: str, headers: dict[str, str]) -> None:
    where = f"{console}/api/review/{name}/1.0.0/blind"
    body = {"reviewer": "Ada", "choices": {"1": "a"}}
    assert httpx.get(where, params={"reviewer": "Ada"}, headers=headers).status_code == 401
    assert httpx.post(where, json=body, headers=headers).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"reviewer": "", "choices": {}}',
        b'{"reviewer": "Ada", "choices": {"0": "a"}}',
        b'{"reviewer": "Ada", "choices": {"11": "a"}}',
        b'{"reviewer": "Ada", "choices": {"1.5": "a"}}',
        b'{"reviewer": "Ada", "choices": {"1": "tuned"}}',
        b'{"reviewer": "Ada", "choices": {"1": {"$ne": 1}}}',
        b'{"reviewer": {"$gt": ""}, "choices": {}}',
        b'{"reviewer": "Ada", "choices": {"99999999999999999999999": "a"}}',
    ],
    ids=range(11),
)
def test_choices_that_do_not_fit_are_refused_and_change_nothing(
    console: str, reviews: ReviewClient, name: str, body: bytes
) -> None:
    before = reviews.ballot(name, "1.0.0")
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = httpx.post(f"{console}/api/review/{name}/1.0.0/blind", content=body, headers=headers)
    assert answer.status_code == 400
    assert reviews.ballot(name, "1.0.0") == before


def test_forms_from_elsewhere_of_nobody_or_with_odd_fields_choose_nothing(
    console: str, reviews: ReviewClient, name: str
) -> None:
    where = f"/review/{name}/1.0.0/blind"
    with browser(console, None) as nobody:
        assert nobody.post(where, data={"pair-1": "a"}).status_code == 401
    with browser(console) as http:
        shown = re.search(r'name="manifest" value="(\w+)"', http.get(f"/review/{name}/1.0.0").text)
        assert shown
        form = {"manifest": shown[1], "pair-1": "a"}
        assert http.post(where, data=form, headers={"Origin": "https://evil.example"}).status_code == 403
        assert http.post(where, data=form | {"pair-1": "tuned"}).status_code == 400
        assert http.post(where, data=form | {"pair-99": "a"}).status_code == 400
        odd = {"manifest": shown[1], "pair-": "a", "pair-²": "a", "pair-1e3": "a", "pair-9999": "a", "-1": "a"}
        assert http.post(where, data=odd).status_code == 303
        assert http.get("/review/nobody/1.0.0").status_code == 404
    assert all(pair["choice"] is None for pair in reviews.ballot(name, "1.0.0")["pairs"])
