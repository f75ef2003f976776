"""`llm-twin status` and the console's first page, over Dagster's own web server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
from typer.testing import CliRunner

from llm_twin_dagster.cli import app
from llm_twin_dagster.stack import Stack
from twin.home import Home

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_one_screen_and_one_page_tell_how_the_loop_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TWIN_PORT", "CONSOLE_PORT", "DAGSTER_PORT"):
        monkeypatch.setenv(name, "0")
    for name in ("MONGODB_URI", "OPIK_URL_OVERRIDE", "COMET_URL_OVERRIDE", "COMET_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    assert "Nothing runs" in CliRunner().invoke(app, ["status"]).stdout
    with Stack(Home(home), ["mongod", "console", "dagster"], lambda *_: None) as stack:
        screen = CliRunner().invoke(app, ["status"]).stdout
        told = json.loads(CliRunner().invoke(app, ["status", "--json"]).stdout)
        page = httpx.get(stack.urls["console"], headers={"accept": "text/html"}, timeout=30).text
    for said in ("model_freshness has not looked yet", "awaits a person", "serves"):
        assert said in screen
    assert {service["name"] for service in told["services"]} == {"mongod", "console", "dagster"}
    ages = {asset["name"]: asset["freshness"] for asset in told["loop"]["assets"]}
    assert ages.keys() >= {"raw_documents", "vector_index", "fine_tuned_model"}
    assert (told["loop"]["problem"], told["loop"]["awaiting"], told["loop"]["running"]) == ("", [], [])
    for said in ("model_freshness has not looked yet", "fine_tuned_model", "No run is going on", "Awaits a person"):
        assert said in page
