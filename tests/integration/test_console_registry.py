"""The review API, its client, and the pages on models and experiments, on a console process over a real mongod."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from app.console.reviewers import COOKIE, session_of
from llm_twin_dagster.stack import only_supervisor
from twin.errors import AlreadyDecided, NotAuthorized, RegistryUnavailable, ReviewRequired, UnknownName
from twin.home import Home, RunState, ServiceState
from twin.processes import Child, answers, free_port, wait_until
from twin.registry.comet import CometRegistry
from twin.registry.experiments import experiment
from twin.registry.review import ReviewClient
from twin.training.program.experiment import RUN

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

TOKEN = "the-reviewers-token"
DAGSTER = "http://dagster.test:3000"
SCRIPT = "<script>alert(1)</script>"
MANIFEST: dict[str, Any] = {
    "sha256": "abc",
    "dataset_version": "d1",
    "base_model": "smollm2",
    "hyperparameters": {"lora_r": 16},
    "scores": {"perplexity_base": 20.5, "perplexity_tuned": 12.25, "held_out_samples": 12},
    "examples": [{"instruction": SCRIPT, "reference": "As written.", "base": "Plain.", "tuned": "In a voice."}],
}


@pytest.fixture(scope="module")
def console(mongo_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A console process with a database that only this module uses, in a stack whose Dagster is at `DAGSTER`."""
    from pymongo import MongoClient

    database = "test_console_registry"
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "app.console", "--port", url.rpartition(":")[2]]
    home = Home(tmp_path_factory.mktemp("home"))
    state = RunState(pid=os.getpid(), services={"dagster": ServiceState(url=DAGSTER, pid=1)})
    env = {"TWIN_HOME": str(home.root), "MONGODB_URI": mongo_uri, "MONGODB_DATABASE": database, "REVIEWER_TOKEN": TOKEN}
    with (
        only_supervisor(home),
        Child("console", command, env=env) as child,
        MongoClient(mongo_uri) as client,
    ):
        home.write_run_state(state)
        wait_until(lambda: answers(url + "/health/ready"), what="console", timeout=60, child=child)
        yield url
        client.drop_database(database)


@pytest.fixture
def registry(console: str) -> Iterator[CometRegistry]:
    client = CometRegistry(console + "/comet/", "local", "llm-twin")
    yield client
    client.close()


@pytest.fixture
def reviews(console: str) -> ReviewClient:
    return ReviewClient(console, TOKEN, reviewer="demo")


@pytest.fixture
def name(console: str, request: pytest.FixtureRequest) -> str:
    """A model of this test alone with two versions that await review, 1.0.0 and 1.1.0.

    They are registered as the SDK registers them; `test_registry` does it with the SDK itself.
    """
    name = re.sub("[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    with httpx.Client(base_url=console, headers={"Authorization": "local"}) as http:
        for version in ("1.0.0", "1.1.0"):
            register_by_hand(http, name, version)
    return name


def register_by_hand(http: httpx.Client, name: str, version: str) -> None:
    key = f"{name}-{version}"
    body = {"experimentKey": key, "projectName": "p", "teamName": "llm-twin"}
    http.post("/comet/logger/add/run", json=body).raise_for_status()
    about = {"experimentId": key, "assetId": key, "fileName": "manifest.json", "groupingName": name}
    files = {"file": json.dumps(MANIFEST | {"sha256": version}).encode()}
    http.post("/comet/asset/upload", params=about, files=files).raise_for_status()
    create = {"experimentKey": key, "experimentModelName": name, "registryModelName": name, "version": version}
    made = http.post("/api/rest/v2/write/registry-model/item/create", json=create | {"status": "Development"})
    item = made.raise_for_status().json()["registryModelItemId"]
    request = {"status": "Production", "isReviewRequired": True, "statusConfiguration": []}
    http.post(f"/api/rest/v2/write/registry-model/item/{item}/status-configuration", json=request).raise_for_status()


def test_an_approved_version_is_the_one_in_production(
    reviews: ReviewClient, registry: CometRegistry, name: str
) -> None:
    assert {review.version for review in reviews.pending() if review.name == name} == {"1.0.0", "1.1.0"}

    review = reviews.approve(name, "1.0.0", "Sounds right.")

    assert (review.status, review.review, review.reviewer, review.comment) == (
        "Production",
        "approved",
        "demo",
        "Sounds right.",
    )
    assert review.decided_at is not None
    approved = registry.approved(name)
    assert approved is not None
    assert (approved.version, approved.status, approved.review) == ("1.0.0", "Production", "approved")
    assert [review.version for review in reviews.pending() if review.name == name] == ["1.1.0"]


def test_approving_another_version_archives_the_one_before(
    reviews: ReviewClient, registry: CometRegistry, name: str
) -> None:
    reviews.approve(name, "1.1.0")
    reviews.approve(name, "1.0.0")

    statuses = {version.version: (version.status, version.review) for version in registry.versions(name)}
    assert statuses == {"1.0.0": ("Production", "approved"), "1.1.0": ("Archived", "approved")}

    reviews.approve(name, "1.1.0")
    approved = registry.approved(name)
    assert approved is not None
    assert approved.version == "1.1.0"


def test_a_waiver_is_shown_as_one_and_is_for_a_first_version_alone(
    console: str, reviews: ReviewClient, registry: CometRegistry, name: str
) -> None:
    assert reviews.approve(name, "1.0.0", waiver="make demo").review == "approved"
    told = "Approved by a waiver (make demo), no blind review"
    assert told in httpx.get(f"{console}/models/{name}/1.0.0", headers={"Accept": "text/html"}).text
    assert any(told in happened.comment for happened in registry.history(name, "1.0.0"))
    with pytest.raises(ReviewRequired, match="for the first version"):
        reviews.approve(name, "1.1.0", waiver="make demo")


def test_a_rejected_version_never_reaches_production(reviews: ReviewClient, registry: CometRegistry, name: str) -> None:
    assert reviews.reject(name, "1.0.0", "Off voice.").status == "Development"
    assert registry.get(name, "1.0.0").review == "rejected"
    assert registry.approved(name) is None
    with pytest.raises(AlreadyDecided, match="rejected by demo"):
        reviews.approve(name, "1.0.0")


def test_a_decision_stands_when_it_is_made_again(reviews: ReviewClient, name: str) -> None:
    first = reviews.approve(name, "1.0.0", "Yes.")
    assert reviews.approve(name, "1.0.0", "Yes, still.") == first
    with pytest.raises(AlreadyDecided, match="approved by demo"):
        reviews.reject(name, "1.0.0")


def test_approvals_at_once_leave_exactly_one_version_in_production(
    console: str, reviews: ReviewClient, registry: CometRegistry, name: str
) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda version: reviews.approve(name, version), ["1.0.0", "1.1.0"] * 4))
    statuses = sorted(version.status for version in registry.versions(name))
    assert statuses == ["Archived", "Production"]


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "local"}])
def test_without_the_reviewers_token_nobody_approves(
    console: str, registry: CometRegistry, name: str, header: dict[str, str]
) -> None:
    answer = httpx.post(f"{console}/api/review/{name}/1.0.0/approve", json={"reviewer": "pipeline"}, headers=header)
    assert answer.status_code == 401
    assert registry.get(name, "1.0.0").status == "Development"


def test_the_review_client_tells_what_went_wrong(console: str, reviews: ReviewClient, name: str) -> None:
    with pytest.raises(UnknownName, match=r"9\.9\.9"):
        reviews.approve(name, "9.9.9")
    with pytest.raises(NotAuthorized, match="reviewer-token"):
        ReviewClient(console, "wrong").approve(name, "1.0.0")
    with pytest.raises(RegistryUnavailable, match="make up"):
        ReviewClient(f"http://127.0.0.1:{free_port()}", TOKEN).pending()


def test_a_production_version_cannot_be_made_by_the_registrys_own_api(console: str, name: str) -> None:
    with httpx.Client(base_url=console + "/api/rest/v2/", headers={"Authorization": "local"}) as http:
        about = {"workspaceName": "llm-twin", "modelName": name, "version": "1.0.0"}
        item = http.get("registry-model/item/details", params=about).json()["registryModelItemId"]
        configuration = {"status": "Production", "isReviewRequired": False, "statusConfiguration": []}
        create = {
            "experimentKey": f"{name}-1.0.0",
            "experimentModelName": name,
            "registryModelName": name,
            "version": "3.0.0",
            "status": "Production",
        }
        answers = [
            http.post("write/registry-model/item/status", json={"status": "Production", "modelItemId": item}),
            http.post(f"write/registry-model/item/{item}/status-configuration", json=configuration),
            http.post("write/registry-model/item/create", json=create),
        ]
        assert [answer.status_code for answer in answers] == [403, 403, 403]
        assert http.get("registry-model/item/details", params=about).json()["status"] == "Development"


def test_a_version_is_registered_once(console: str, name: str) -> None:
    create = {
        "experimentKey": f"{name}-1.0.0",
        "experimentModelName": name,
        "registryModelName": name,
        "version": "1.0.0",
    }
    answer = httpx.post(
        console + "/api/rest/v2/write/registry-model/item/create", json=create, headers={"Authorization": "local"}
    )
    assert answer.status_code == 400
    assert "exists already" in answer.json()["msg"]


def test_the_pages_show_a_model_its_scores_and_examples_as_text(console: str, name: str) -> None:
    with httpx.Client(base_url=console, headers={"Accept": "text/html"}) as http:
        assert name in http.get("/models").text
        versions = http.get(f"/models/{name}").text
        assert "1.0.0" in versions
        assert "smollm2" in versions
        version = http.get(f"/models/{name}/1.0.0").text
        assert re.search(r"perplexity</td>\s*<td class=\"number\">20\.5</td><td class=\"number\">12\.25", version)
        assert "In a voice." in version
        assert SCRIPT not in version
        assert "&lt;script&gt;" in version
        assert "awaits a person" in version
        assert http.get(f"/models/{name}/9.9.9").status_code == 404


def test_an_experiments_page_draws_its_metrics(console: str) -> None:
    with experiment("curves", url=console + "/comet/", api_key="local", workspace="w", project="p") as run:
        for step, loss in enumerate([3.0, 2.0, float("nan"), 1.0]):
            run.log_metric("loss", loss, step=step)
        run.log_parameters({"lora_r": 16})
        run.log_other(RUN, "3f1c-run")
        key = run.get_key()

    assert "curves" in httpx.get(console + "/experiments").text
    text = httpx.get(f"{console}/experiments/{key}").text
    assert "loss: 3 at step 0, 1 at step 3" in text
    assert re.search(r"<polyline points=\"[\d., ]+\"", text)
    assert "lora_r" in text
    assert f'<a href="{DAGSTER}/runs/3f1c-run">3f1c-run</a>' in text


@contextmanager
def signed_in(console: str) -> Generator[httpx.Client]:
    """A browser's session, as far as a browser matters here."""
    with httpx.Client(base_url=console, headers={"Origin": console, "Accept": "text/html"}) as http:
        http.post("/review/sign-in", data={"reviewer": "Ada Löw", "token": TOKEN, "next": "/models"})
        yield http


def test_a_person_signs_in_and_approves_by_form(console: str, registry: CometRegistry, name: str) -> None:
    with signed_in(console) as http:
        assert "Signed in as Ada Löw" in http.get("/review").text
        assert "You decide as Ada Löw" in http.get(f"/models/{name}/1.0.0").text
        answer = http.post(f"/review/{name}/1.0.0", data={"verdict": "approve", "comment": "Good."})
        assert answer.status_code == 303
        text = http.get(answer.headers["location"]).text
        assert "Approved by Ada Löw" in text
        assert "Good." in text
        http.post("/review/sign-out")
        assert "Signed in as" not in http.get("/review").text
    approved = registry.approved(name)
    assert approved is not None
    assert approved.version == "1.0.0"


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites_and_holds_no_token(console: str) -> None:
    answer = httpx.post(
        console + "/review/sign-in", data={"reviewer": "a", "token": TOKEN}, headers={"Origin": console}
    )
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie


def test_forms_without_a_session_or_from_elsewhere_decide_nothing(
    console: str, registry: CometRegistry, name: str
) -> None:
    form = {"verdict": "approve"}
    with httpx.Client(base_url=console, headers={"Origin": console}) as http:
        assert http.post(f"/review/{name}/1.0.0", data=form).status_code == 401
        assert http.post("/review/sign-in", data={"reviewer": "a", "token": "wrong"}).status_code == 401
        later = int(time.time()) + 3600
        forged = [session_of("a", "wrong", later), session_of("a", TOKEN, later - 7200), f"YQ==.{later}." + "0" * 64]
        for session in [*forged, "YQ==." + "0" * 64, "é..", "...."]:
            cookie = {b"Cookie": f"{COOKIE}={session}".encode()}
            assert http.post(f"/review/{name}/1.0.0", data=form, headers=cookie).status_code == 401
    with signed_in(console) as http:
        elsewhere = {"Origin": "https://evil.example"}
        assert http.post(f"/review/{name}/1.0.0", data=form, headers=elsewhere).status_code == 403
        del http.headers["Origin"]
        assert http.post(f"/review/{name}/1.0.0", data=form).status_code == 403
    assert registry.get(name, "1.0.0").status == "Development"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example", ""])
def test_signing_in_leads_to_no_other_site(console: str, target: str) -> None:
    form = {"reviewer": "a", "token": TOKEN, "next": target}
    answer = httpx.post(console + "/review/sign-in", data=form, headers={"Origin": console})
    assert answer.headers["location"] == "/review"
