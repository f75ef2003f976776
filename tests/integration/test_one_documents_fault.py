"""A fault in one document is that document's alone, whatever the collector and whatever the fault."""

from __future__ import annotations

import csv
import json
import subprocess
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.integration.web import Remembering, Site, serve
from twin import collection
from twin.collection import collector
from twin.records import document_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from twin.records import Document, Rejected

SAID = "This paragraph is long enough to be kept by anyone who reads it, and says something of {} besides."
NAMES = ("a-good", "b-bad", "c-good")


@pytest.fixture(autouse=True)
def fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw, in the reading of whatever has "bad" in its address."""

    def faulty(url: str) -> str:
        if "bad" in url:
            raise RuntimeError("not foreseen")
        return document_id(url)

    monkeypatch.setattr(collector, "document_id", faulty)


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as site:
        for name in NAMES:
            said = SAID.format(name)
            site.put(f"/{name}", f"<html><title>On {name}</title><article><p>{said}</p><p>{said}</p></article></html>")
        yield site


def folder(root: Path) -> str:
    for name in NAMES:
        (root / f"{name}.md").write_text(SAID.format(name))
    return str(root)


def archive(root: Path) -> str:
    path = root / "texts.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name in NAMES:
            file.writestr(f"{name}.md", SAID.format(name))
    return str(path)


def _records() -> list[dict[str, str]]:
    return [{"url": f"https://ada.example/{name}", "content": SAID.format(name)} for name in NAMES]


def json_list(root: Path) -> str:
    (root / "texts.json").write_text(json.dumps(_records()))
    return str(root / "texts.json")


def json_lines(root: Path) -> str:
    (root / "texts.jsonl").write_text("\n".join(map(json.dumps, _records())))
    return str(root / "texts.jsonl")


def repository(root: Path) -> str:
    folder(root)
    for command in (
        ["init", "--quiet"],
        ["add", "."],
        ["-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", "-C", str(root), *command], check=True)
    return str(root)


def mastodon(root: Path) -> str:
    public = "https://www.w3.org/ns/activitystreams#Public"
    notes = [{"url": f"https://fedi.example/{name}", "content": SAID.format(name), "to": [public]} for name in NAMES]
    outbox = {"orderedItems": [{"type": "Create", "object": note} for note in notes]}
    (root / "outbox.json").write_text(json.dumps(outbox))
    return str(root / "outbox.json")


def linkedin(root: Path) -> str:
    with (root / "Shares.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, ["Date", "ShareLink", "ShareCommentary"])
        table.writeheader()
        for name in NAMES:
            link = f"https://www.linkedin.com/feed/update/{name}"
            table.writerow({"Date": "2024-01-02 10:00:00", "ShareLink": link, "ShareCommentary": SAID.format(name)})
    return str(root / "Shares.csv")


def x(root: Path) -> str:
    (root / "data").mkdir()
    tweets = [{"tweet": {"id_str": name, "full_text": SAID.format(name)}} for name in NAMES]
    (root / "data" / "tweets.js").write_text(f"window.YTD.tweets.part0 = {json.dumps(tweets)}")
    return str(root)


@pytest.mark.parametrize("make", [folder, archive, json_list, json_lines, repository, mastodon, linkedin, x])
def test_on_this_machine(tmp_path: Path, make: Callable[[Path], str]) -> None:
    good, bad = _look(make(tmp_path))
    assert len(good) == 2
    assert ["a fault of its reader" in each.reason for each in bad if "not say whose" not in each.reason] == [True]


def test_pages_of_a_sitemap(site: Site) -> None:
    listed = "".join(f"<url><loc>{{site}}/{name}</loc></url>" for name in NAMES)
    namespace = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
    site.put("/sitemap.xml", f"<urlset {namespace}>{listed}</urlset>", media_type="application/xml")
    good, bad = _look(f"{site.url}/sitemap.xml")
    assert [document.title for document in good] == ["On a-good", "On c-good"]
    assert [(each.url, each.refused) for each in bad] == [(f"{site.url}/b-bad", False)]


@pytest.mark.parametrize("is_whole", [True, False])
def test_entries_of_a_feed(site: Site, is_whole: bool) -> None:
    entries = "".join(
        f"<item><title>On {name}</title><link>{{site}}/{name}</link>"
        f"<description>{SAID.format(name) * (30 if is_whole else 0)}</description></item>"
        for name in NAMES
    )
    feed = f'<rss version="2.0"><channel><title>T</title>{entries}</channel></rss>'
    site.put("/feed", feed, media_type="application/rss+xml")
    good, bad = _look(f"{site.url}/feed")
    assert [document.title for document in good] == ["On a-good", "On c-good"]
    assert [(each.url, each.refused) for each in bad] == [(f"{site.url}/b-bad", False)]


def _look(location: str) -> tuple[list[Document], list[Rejected]]:
    look = Remembering().look(collection.detect(location, "Ada"))
    assert look.error is None
    return look.documents, look.rejected
