"""The Dagster UI shows the whole graph."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect, sync_playwright

from llm_twin_dagster.definitions import defs
from llm_twin_dagster.stack import Stack
from twin.home import Home

if TYPE_CHECKING:
    from collections.abc import Iterator

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
PATIENCE_MILLISECONDS = 90_000

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="No chromium here: `apt-get update && apt-get install -y chromium`."
)


@pytest.fixture
def dagster_url(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A Dagster UI over an empty instance."""
    monkeypatch.setenv("DAGSTER_PORT", "0")
    with Stack(Home(home), ["dagster"], lambda *_: None) as stack:
        yield stack.urls["dagster"]


def test_every_asset_is_on_the_graph_of_its_group_and_every_group_on_the_whole(
    dagster_url: str, tmp_path: Path
) -> None:
    specs = defs().resolve_all_asset_specs()
    picture = Path(os.environ.get("BROWSER_PICTURES", str(tmp_path))) / "asset-graph.png"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1800, "height": 1100})
        for group in sorted({str(spec.group_name) for spec in specs}):
            page.goto(f"{dagster_url}/locations/llm-twin/asset-groups/{group}/lineage", timeout=PATIENCE_MILLISECONDS)
            for name in (spec.key.to_user_string() for spec in specs if spec.group_name == group):
                expect(page.get_by_text(name, exact=True).first).to_be_visible(timeout=PATIENCE_MILLISECONDS)
        page.goto(f"{dagster_url}/asset-groups", timeout=PATIENCE_MILLISECONDS)
        for group in sorted({str(spec.group_name) for spec in specs}):
            expect(page.get_by_text(group, exact=True).first).to_be_visible(timeout=PATIENCE_MILLISECONDS)
        page.screenshot(path=picture)
        browser.close()
    assert picture.stat().st_size > 10_000, "an empty page is smaller"
