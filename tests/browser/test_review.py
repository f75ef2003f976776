"""A person reviews a model in a real browser."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from twin.processes import Child, answers, free_port, wait_until
from twin.registry.comet import CometRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

TOKEN = "the-reviewers-token"
MANIFEST = {
    "sha256": "abc",
    "base_model": "smollm2",
    "scores": {"perplexity_base": 20.5, "perplexity_tuned": 12.25},
    "examples": [{"instruction": "Why Dagster?", "reference": "r", "base": "b", "tuned": "Because assets."}],
}


@pytest.fixture
def console(mongo_uri: str, mongo_database: str) -> Iterator[str]:
    """A console with one model version that awaits review."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "app.console", "--port", url.rpartition(":")[2]]
    env = {"MONGODB_URI": mongo_uri, "MONGODB_DATABASE": mongo_database, "REVIEWER_TOKEN": TOKEN}
    with Child("console", command, env=env) as child:
        wait_until(lambda: answers(url + "/health/ready"), what="console", timeout=60, child=child)
        CometRegistry(url + "/comet/", "local", "llm-twin").register("llm-twin", MANIFEST)
        yield url


@pytest.fixture
def page() -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome") or playwright.chromium.executable_path
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


def test_a_reviewer_signs_in_approves_and_sees_the_decision(console: str, page: Page) -> None:
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto(console + "/review")
    page.get_by_role("link", name="llm-twin 1.0.0").click()
    page.get_by_role("cell", name="Because assets.").wait_for()

    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("Reviewer token").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("You decide as Ada").wait_for()
    assert page.context.cookies()[0].get("httpOnly") is True
    page.get_by_label("Comment").fill("It sounds like me.")
    page.get_by_role("button", name="Approve").click()
    page.get_by_text("Approved by Ada").wait_for()

    approved = CometRegistry(console + "/comet/", "local", "llm-twin").approved("llm-twin")
    assert approved is not None
    assert approved.version == "1.0.0"
    assert problems == []


def test_a_form_on_another_site_cannot_approve(console: str, page: Page) -> None:
    page.goto(console + "/review")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("Reviewer token").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("Signed in as Ada").wait_for()

    action = f"{console}/review/llm-twin/1.0.0"
    form = f'<form method="post" action="{action}"><button name="verdict" value="approve">go</button></form>'
    page.route("http://elsewhere.test/", lambda route: route.fulfill(body=form, content_type="text/html"))
    page.goto("http://elsewhere.test/")
    with page.expect_response(lambda response: response.request.method == "POST") as refused:
        page.get_by_role("button", name="go").click()
    assert refused.value.status == 403
    assert httpx.get(console + "/models/llm-twin/1.0.0").text.count("awaits a person") == 1
