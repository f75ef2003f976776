"""Reviews that are written into the database and not decided: the real SDK, a console process, a real mongod."""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from bson import Binary
from pymongo import MongoClient

from twin.deployment import Deployment
from twin.errors import AlreadyDecided
from twin.home import Home
from twin.processes import Child, answers, free_port, wait_until
from twin.registry.comet import CometRegistry
from twin.registry.review import ReviewClient
from twin.registry.signatures import Decision, ReviewKey
from twin.serving.endpoint import EndpointStatus
from twin.serving.release import decide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pymongo.database import Database

TOKEN = "the-reviewers-token"
DATABASE = "test_signed_reviews"
MANIFEST = {"sha256": "abc", "dataset_version": "d1", "base_model": "smollm2", "hyperparameters": {"lora_r": 16}}
NOTHING = EndpointStatus(state="Absent")


@pytest.fixture(scope="module")
def database(mongo_uri: str) -> Iterator[Database[dict[str, Any]]]:
    with MongoClient(mongo_uri, tz_aware=True) as client:
        yield client[DATABASE]
        client.drop_database(DATABASE)


@pytest.fixture(scope="module")
def console(mongo_uri: str, database: Database[dict[str, Any]]) -> Iterator[str]:
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "app.console", "--port", url.rpartition(":")[2]]
    env = {"MONGODB_URI": mongo_uri, "MONGODB_DATABASE": DATABASE, "REVIEWER_TOKEN": TOKEN}
    with Child("console", command, env=env) as child:
        wait_until(lambda: answers(url + "/health/ready"), what="console", timeout=60, child=child)
        yield url


@pytest.fixture
def registry(console: str) -> Iterator[CometRegistry]:
    client = CometRegistry(console + "/comet/", "local", "llm-twin", review_key=ReviewKey(TOKEN))
    yield client
    client.close()


@pytest.fixture
def reviews(console: str) -> ReviewClient:
    return ReviewClient(console, TOKEN, reviewer="Ada")


@pytest.fixture
def name(registry: CometRegistry, request: pytest.FixtureRequest) -> str:
    """A model of this test alone, whose version 1.0.0 the SDK registered and which awaits review."""
    name = re.sub("[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    assert registry.register(name, MANIFEST).review == "pending"
    return name


def row(database: Database[dict[str, Any]], name: str, version: str = "1.0.0") -> dict[str, Any]:
    found = database["comet_model_versions"].find_one({"name": name, "version": version})
    assert found is not None
    return found


def write(database: Database[dict[str, Any]], name: str, version: str = "1.0.0", **values: object) -> None:
    """What somebody does who reaches the database."""
    database["comet_model_versions"].update_one({"name": name, "version": version}, {"$set": values})


def approval(by: str = "Ada", **signed: str) -> dict[str, Any]:
    """An approval as an event of a version's history."""
    return {
        "action": "MODEL_VERSION_STATUS_REQUEST_APPROVED",
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "by": by,
        "comment": "",
        "previous": {"registryModelStatus": "Development"},
        "new": {"registryModelStatus": "Production"},
        **({"signed": signed} if signed else {}),
    }


def assert_not_deployed(registry: CometRegistry, name: str, version: str = "1.0.0", review: str = "unverified") -> None:
    """The sensor's question and the deploy asset's: neither deploys, both name the version."""
    assert registry.approved(name) is None
    assert registry.get(name, version).review == review
    for versions in (registry.in_production(name), registry.versions(name)):
        decision = decide(versions, NOTHING)
        assert decision.version is None
        assert f"Version {version} is" in decision.reason


def with_a_status_alone(history: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return history


def with_an_unsigned_approval(history: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """As a release before signatures wrote it, too."""
    return [*history, approval()]


def with_another_tokens_signature(history: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    written = Decision(verdict="approved", reviewer="Ada", comment="", at="2026-01-01T00:00:00.000+00:00")
    signed = ReviewKey("another token").sign(name, "1.0.0", written, [])
    return [*history, approval(before=signed.before, signature=signed.signature)]


@pytest.mark.parametrize(
    "forged", [with_a_status_alone, with_an_unsigned_approval, with_another_tokens_signature], ids=lambda f: f.__name__
)
def test_an_approval_that_was_written_into_the_database_is_not_deployed_until_a_person_approves(
    forged: Callable[..., list[dict[str, Any]]],
    console: str,
    registry: CometRegistry,
    reviews: ReviewClient,
    database: Database[dict[str, Any]],
    name: str,
) -> None:
    before = row(database, name)
    request = {**before["request"], "state": "approved", "reviewer": "Ada", "decided_at": before["created_at"]}
    write(database, name, status="Production", request=request, history=forged(before["history"], name))

    assert_not_deployed(registry, name)
    html = {"Accept": "text/html"}
    assert "signed with the reviewer" in httpx.get(f"{console}/models/{name}/1.0.0", headers=html).text
    for page in (f"/models/{name}", "/models", "/review"):
        assert "unverified" in httpx.get(console + page, headers=html).raise_for_status().text

    reviews.approve(name, "1.0.0", "I read it.")
    approved = registry.approved(name)
    assert approved is not None
    assert (approved.version, approved.status, approved.review) == ("1.0.0", "Production", "approved")
    assert decide(registry.in_production(name), NOTHING).version == approved
    assert "Approved by Ada" in httpx.get(f"{console}/models/{name}/1.0.0", headers=html).text


def test_an_approval_is_of_the_manifest_that_was_read(
    registry: CometRegistry, reviews: ReviewClient, database: Database[dict[str, Any]], name: str
) -> None:
    reviews.approve(name, "1.0.0")
    assert registry.approved(name) is not None
    other = json.dumps(MANIFEST | {"sha256": "another"}).encode()
    experiment = row(database, name)["experiment"]
    database["comet_assets"].update_one(
        {"experiment": experiment, "name": "manifest.json"}, {"$set": {"content": Binary(other)}}
    )

    assert_not_deployed(registry, name)

    reviews.approve(name, "1.0.0")
    approved = registry.approved(name)
    assert approved is not None
    assert approved.manifest["sha256"] == "another"


def test_an_old_approval_does_not_count_after_a_rejection(
    registry: CometRegistry, reviews: ReviewClient, database: Database[dict[str, Any]], name: str
) -> None:
    reviews.approve(name, "1.0.0")
    old = row(database, name)
    write(database, name, history=[*old["history"][:-1], old["history"][-1] | {"comment": "altered"}])
    assert_not_deployed(registry, name)
    assert reviews.reject(name, "1.0.0").status == "Development"
    assert registry.get(name, "1.0.0").review == "rejected"

    write(database, name, status="Production", request=old["request"])
    assert_not_deployed(registry, name, review="rejected")
    write(database, name, history=[*row(database, name)["history"], old["history"][-1]])
    assert_not_deployed(registry, name)


def test_a_version_that_was_replaced_comes_back_by_a_person_alone(
    registry: CometRegistry, reviews: ReviewClient, database: Database[dict[str, Any]], name: str
) -> None:
    registry.register(name, MANIFEST | {"sha256": "newer"})
    reviews.approve(name, "1.0.0")
    reviews.approve(name, "1.1.0")
    assert [(v.status, v.review) for v in registry.versions(name)] == [
        ("Production", "approved"),
        ("Archived", "approved"),
    ]
    with pytest.raises(AlreadyDecided, match="approved by Ada"):
        reviews.reject(name, "1.0.0")

    write(database, name, "1.1.0", status="Archived")
    write(database, name, "1.0.0", status="Production")
    assert_not_deployed(registry, name)

    reviews.approve(name, "1.0.0")
    approved = registry.approved(name)
    assert approved is not None
    assert approved.version == "1.0.0"


def test_the_approval_of_one_version_is_no_approval_of_another(
    registry: CometRegistry, reviews: ReviewClient, database: Database[dict[str, Any]], name: str
) -> None:
    registry.register(name, MANIFEST | {"sha256": "newer"})
    reviews.approve(name, "1.0.0")
    copied = row(database, name)["history"][-1]
    write(database, name, "1.0.0", status="Archived")
    write(database, name, "1.1.0", status="Production", history=[copied])

    assert_not_deployed(registry, name, "1.1.0")


def test_what_a_home_holds_for_approved_is_what_its_own_reviewers_token_signed(
    console: str, reviews: ReviewClient, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviews.approve(name, "1.0.0")
    monkeypatch.setenv("COMET_URL_OVERRIDE", console + "/comet/")
    monkeypatch.setenv("COMET_WORKSPACE", "llm-twin")

    monkeypatch.setenv("REVIEWER_TOKEN", TOKEN)
    assert Deployment(Home(tmp_path)).registry.approved(name) is not None
    monkeypatch.delenv("REVIEWER_TOKEN")
    assert Deployment(Home(tmp_path)).registry.approved(name) is None
    (tmp_path / "reviewer-token").write_text(TOKEN)
    assert Deployment(Home(tmp_path)).registry.approved(name) is not None


def test_a_form_decides_on_the_manifest_that_its_page_showed(
    console: str, registry: CometRegistry, database: Database[dict[str, Any]], name: str
) -> None:
    with httpx.Client(base_url=console, headers={"Origin": console, "Accept": "text/html"}) as http:
        http.post("/review/sign-in", data={"reviewer": "Ada", "token": TOKEN})
        shown = re.search(r'name="manifest" value="(\w+)"', http.get(f"/models/{name}/1.0.0").text)
        assert shown
        experiment = row(database, name)["experiment"]
        file = {"experiment": experiment, "name": "manifest.json"}
        read = database["comet_assets"].find_one(file)
        assert read is not None
        form = {"verdict": "approve", "manifest": shown[1]}
        database["comet_assets"].update_one(file, {"$set": {"content": Binary(b"{}")}})
        assert "Read it again" in http.post(f"/review/{name}/1.0.0", data=form).text
        assert registry.get(name, "1.0.0").review == "pending"
        database["comet_assets"].replace_one(file, read)
        assert http.post(f"/review/{name}/1.0.0", data=form).status_code == 303
        assert registry.get(name, "1.0.0").review == "approved"
