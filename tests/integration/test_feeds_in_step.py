"""Feeds and sitemaps kept in step with the real warehouse: counts, revisions and tombstones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.web import Site, serve
from twin import collection
from twin.collection import ingestion
from twin.settings import SourceSettings, read
from twin.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.records import Source

TEXT = "<p>This paragraph is long enough to be kept by anyone who reads it, and says something of {} besides.</p>"


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as site:
        yield site


@pytest.fixture
def warehouse(mongo_uri: str, mongo_database: str) -> Iterator[Warehouse]:
    with Warehouse(mongo_uri, mongo_database) as warehouse:
        yield warehouse


def look(warehouse: Warehouse, source: Source) -> dict[str, int]:
    given = {"allow_private_addresses": True, "host_delay_min_seconds": 0.0, "host_delay_factor": 0.0, "attempts": 1}
    report = ingestion.ingest([source], warehouse, read(SourceSettings).model_copy(update=given))
    return {name: count for name, count in report.counts.items() if count}


def put_feed(site: Site, **entries: str) -> None:
    items = "".join(
        f"<item><title>{name}</title><link>{{site}}/{name}</link><description>{said}</description></item>"
        for name, said in entries.items()
    )
    site.put("/feed", f"<rss><channel><link>{{site}}/</link>{items}</channel></rss>", media_type="text/xml")


def put_page(site: Site, name: str, about: str) -> None:
    site.put(f"/{name}", f"<html><title>{name}</title><article>{TEXT.format(about) * 2}</article></html>")


def test_a_feed_adds_changes_and_removes_and_is_silent_when_nothing_happened(site: Site, warehouse: Warehouse) -> None:
    source = collection.detect(f"{site.url}/feed", "Ada")
    names = ("a", "b", "c", "d")
    for name in names:
        put_page(site, name, name)
    put_feed(site, **{name: name for name in names})
    assert look(warehouse, source) == {"added": 4}
    site.asked_now()
    assert look(warehouse, source) == {"unchanged": 4}
    assert site.asked_now() == ["=/feed"]

    put_feed(site, a="a, edited", e="new")
    put_page(site, "a", "an edit")
    put_page(site, "e", "e")
    counts = look(warehouse, source)
    assert (counts["added"], counts["changed"], counts.get("removed", 0)) == (1, 1, 0)

    site.put("/b", "gone", status=410)
    put_page(site, "c", "an edit after it fell off")
    counts = look(warehouse, source)
    assert (counts["removed"], counts["changed"]) == (1, 1)
    live = sorted(document.title for document in warehouse.documents.read())
    assert live == ["a", "c", "d", "e"]
    assert "changed" not in look(warehouse, source)


def test_a_sitemap_removes_what_it_lists_no_more(site: Site, warehouse: Warehouse) -> None:
    source = collection.detect(f"{site.url}/sitemap.xml", "Ada")

    def put_map(*names: str) -> None:
        places = "".join(f"<url><loc>{{site}}/{name}</loc><lastmod>2024-01-01</lastmod></url>" for name in names)
        site.put("/sitemap.xml", f"<urlset>{places}</urlset>", media_type="application/xml")

    for name in ("a", "b", "c"):
        put_page(site, name, name)
    put_map("a", "b", "c")
    assert look(warehouse, source) == {"added": 3}
    site.asked_now()
    assert look(warehouse, source) == {"unchanged": 3}
    assert site.asked_now() == ["/sitemap.xml"]
    put_map("a", "b")
    assert look(warehouse, source) == {"unchanged": 2, "removed": 1}
