"""Sitemaps as watched sources, from a real server on this machine."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from tests.integration.web import Remembering, Site, serve
from twin import collection
from twin.collection.collectors import sitemap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.records import Source

XML = "application/xml"
NAMESPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
SENTENCE = "This paragraph is long enough to be kept by anyone who reads it, and says something of {} besides."


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as site:
        yield site


def source(site: Site, path: str = "/sitemap.xml") -> Source:
    return collection.detect(f"{site.url}{path}", "Grace Hopper")


def urlset(**pages: str | None) -> str:
    listed = (
        f"<url><loc>{{site}}/{name}</loc>{f'<lastmod>{day}</lastmod>' if day else ''}</url>"
        for name, day in pages.items()
    )
    return f'<?xml version="1.0"?><urlset {NAMESPACE}>{"".join(listed)}</urlset>'


def index(*paths: str) -> str:
    named = "".join(f"<sitemap><loc>{{site}}{path}</loc></sitemap>" for path in paths)
    return f"<sitemapindex {NAMESPACE}>{named}</sitemapindex>"


def put_pages(site: Site, *names: str, about: str = "") -> None:
    for name in names:
        said = SENTENCE.format(about or name)
        site.put(f"/{name}", f"<html><title>On {name}</title><article><p>{said}</p><p>{said}</p></article></html>")


def test_only_pages_whose_lastmod_changed_are_asked(site: Site) -> None:
    site.put("/sitemap.xml", urlset(a="2024-01-01", b="2024-01-01", c=None), media_type=XML)
    put_pages(site, "a", "b", "c")
    memory, watched = Remembering(), source(site)
    assert [one.title for one in memory.look(watched).documents] == ["On a", "On b", "On c"]
    site.asked_now()

    quiet = memory.look(watched)
    assert site.asked_now() == ["/sitemap.xml", "=/c"]
    assert quiet.unchanged == [f"{site.url}/{name}" for name in "abc"]

    site.put("/sitemap.xml", urlset(a="2024-01-01", b="2024-02-02", c=None), media_type=XML)
    put_pages(site, "a", "b", about="an edit")
    look = memory.look(watched)
    assert [one.url for one in look.documents] == [f"{site.url}/b"]
    assert site.asked_now() == ["/sitemap.xml", "/b", "=/c"]


def test_a_new_lastmod_of_a_page_that_is_as_it_was_is_remembered(site: Site) -> None:
    site.put("/sitemap.xml", urlset(a="2024-01-01"), media_type=XML)
    put_pages(site, "a")
    memory, watched = Remembering(), source(site)
    memory.look(watched)
    site.put("/sitemap.xml", urlset(a="2024-02-02"), media_type=XML)
    assert not memory.look(watched).documents
    site.asked_now()
    memory.look(watched)
    assert site.asked_now() == ["/sitemap.xml"]


def test_more_pages_than_a_runs_budget_are_read_in_several_runs(site: Site) -> None:
    names = [f"p{number}" for number in range(7)]
    put_pages(site, *names)
    site.put("/sitemap.xml", urlset(**dict.fromkeys(names)), media_type=XML)
    memory, here = Remembering(), source(site)
    for _ in range(3):
        memory.look(here, run_requests=5)
    assert len(memory.documents) == len(names)


def test_what_a_sitemap_lists_no_more_is_missing_from_a_complete_source(site: Site) -> None:
    site.put("/sitemap.xml", urlset(a="1", b="1"), media_type=XML)
    put_pages(site, "a", "b")
    memory, watched = Remembering(), source(site)
    memory.look(watched)
    site.put("/sitemap.xml", urlset(a="1"), media_type=XML)
    look = memory.look(watched)
    assert look.unchanged == [f"{site.url}/a"]
    assert look.error is None
    assert sitemap.COLLECTOR.complete


def test_a_page_that_fails_counts_as_the_document_that_is_held(site: Site) -> None:
    site.put("/sitemap.xml", urlset(a="1", b="1"), media_type=XML)
    put_pages(site, "b")
    site.put("/a", f"<link rel=canonical href=/held><article><p>{SENTENCE}</p><p>{SENTENCE}</p></article>")
    memory, watched = Remembering(), source(site)
    assert memory.look(watched).documents[0].url == f"{site.url}/held"
    site.put("/sitemap.xml", urlset(a="2", b="2"), media_type=XML)
    site.put("/a", "later", status=500)
    site.put("/b", "gone", status=410)
    look = memory.look(watched)
    assert [one.url for one in look.rejected] == [f"{site.url}/held"]
    assert look.gone == [f"{site.url}/b"]


def test_an_index_names_sitemaps_compressed_and_plain_and_goes_in_no_circle(site: Site) -> None:
    site.put("/sitemap.xml", index("/one.xml.gz", "/two.txt", "/sitemap.xml", "/inner.xml"), media_type=XML)
    site.put("/inner.xml", index("/sitemap.xml", "/one.xml.gz"), media_type=XML)
    one = urlset(a=None).replace("{site}", site.url)
    site.put("/one.xml.gz", gzip.compress(one.encode()), media_type="application/gzip")
    site.put("/two.txt", "{site}/b\n{site}/a\n", media_type="text/plain")
    put_pages(site, "a", "b")
    look = Remembering().look(source(site))
    assert sorted(one.title for one in look.documents) == ["On a", "On b"]
    assert not look.rejected
    assert sorted(site.asked_now()) == ["/a", "/b", "/inner.xml", "/one.xml.gz", "/sitemap.xml", "/two.txt"]


def test_a_sitemap_that_fails_makes_the_look_incomplete_and_the_rest_is_read(site: Site) -> None:
    site.put("/sitemap.xml", index("/one.xml", "/two.xml"), media_type=XML)
    site.put("/one.xml", "broken", status=500)
    site.put("/two.xml", urlset(a=None), media_type=XML)
    put_pages(site, "a")
    look = Remembering().look(source(site))
    assert [one.title for one in look.documents] == ["On a"]
    assert "could not be read whole" in str(look.error)
    assert "one.xml" in look.reasons()


def test_a_sitemap_that_breaks_off_is_read_as_far_as_it_goes(site: Site) -> None:
    whole = urlset(a=None, b=None)
    site.put("/sitemap.xml", whole[: whole.rindex("</loc>")], media_type=XML)
    put_pages(site, "a", "b")
    look = Remembering().look(source(site))
    assert [one.title for one in look.documents] == ["On a"]
    assert "breaks off" in str(look.error)


def test_other_hosts_are_left_out_with_a_reason(site: Site) -> None:
    other = "<url><loc>http://169.254.169.254/latest</loc></url><url><loc>https://elsewhere.example/</loc></url>"
    site.put("/sitemap.xml", urlset(a=None).replace("</urlset>", f"{other}</urlset>"), media_type=XML)
    put_pages(site, "a")
    look = Remembering().look(source(site))
    assert len(look.documents) == 1
    assert "2 places on other hosts" in look.reasons()
    assert look.error is None


def test_endless_sitemaps_end_with_a_reason(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sitemap, "MAX_FILES", 5)
    monkeypatch.setattr(sitemap, "MAX_PAGES", 4)
    site.put("/sitemap.xml", index(*(f"/part{number}.xml" for number in range(9))), media_type=XML)
    for part in range(9):
        site.put(f"/part{part}.xml", urlset(**{f"p{part}x": None, f"p{part}y": None}), media_type=XML)
        put_pages(site, f"p{part}x", f"p{part}y")
    look = Remembering().look(source(site))
    assert len(look.documents) == 4
    assert "more sitemaps than are read" in str(look.error)
    assert "/part5.xml" not in site.asked_now()


def test_a_chain_of_indexes_ends_with_a_reason(site: Site) -> None:
    for number in range(9):
        site.put(f"/sitemap{number}.xml", index(f"/sitemap{number + 1}.xml"), media_type=XML)
    assert "inside each other" in str(Remembering().look(source(site, "/sitemap0.xml")).error)
    assert site.asked_now() == [f"/sitemap{number}.xml" for number in range(4)]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('<!DOCTYPE r [<!ENTITY a "aaaa">]><urlset><url><loc>&a;</loc></url></urlset>', "entities"),
        (gzip.compress(b"\n" * 20_000_000), "too large"),
        (b"\x1f\x8b broken", "broken gzip"),
        ("<html></html>", "root is <html>"),
        ("some words", "neither XML nor a URL a line"),
        (urlset(), "lists no page"),
    ],
)
def test_what_is_no_sitemap_says_why(site: Site, body: str | bytes, reason: str) -> None:
    site.put("/sitemap.xml", body, media_type=XML)
    assert reason in str(Remembering().look(source(site), max_bytes=1_000_000).error)
