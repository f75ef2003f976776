"""Feeds, sitemaps and pages made to harm: each is read, or refused with a reason, in bounded time."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from twin.collection.feeds import parsing, sitemaps
from twin.collection.pages import webpage
from twin.errors import CollectionError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
MEGABYTE = 1_000_000
SECONDS = 20
RSS = "<rss><channel>"
ATOM = '<feed xmlns="http://www.w3.org/2005/Atom"><entry>'
MANY_ATTRIBUTES = " ".join(f"a{number}='<>'" for number in range(100_000))
SENTENCE = "<p>A paragraph of text that is long enough to be kept by anyone who reads it, of course.</p>"

FEEDS = {
    "billion-laughs": '<!DOCTYPE r [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {after} "{10 * ("&" + name + ";")}">' for name, after in pairwise("abcdefghij"))
    + "]><rss><channel><title>&j;</title></channel></rss>",
    "entity-after-a-comment": '<!-- <x --><!DOCTYPE r [<!ENTITY a "ha">]><rss><title>&a;</title></rss>',
    "external-entity": '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><rss><title>&a;</title></rss>',
    "external-dtd": '<!DOCTYPE rss SYSTEM "http://127.0.0.1:1/x.dtd"><rss><channel><item/></channel></rss>',
    "deep": RSS + "<item>" * MEGABYTE,
    "wide": RSS + "<item/>" * MEGABYTE,
    "attributes": f"{RSS}<item {MANY_ATTRIBUTES.replace('<', '')}/></channel></rss>",
    "long-attribute": f'{RSS}<item a="{"x" * 5 * MEGABYTE}"/></channel></rss>',
    "prefixes": RSS + "".join(f"<n{number}:x/>" for number in range(50_000)),
    "ampersands": f"{RSS}<item><title>{'&' * 5 * MEGABYTE}</title></item></channel></rss>",
    "open-cdata": RSS + "<![CDATA[" * MEGABYTE,
    "brackets": "<" * 5 * MEGABYTE,
    "blank": "\n" * 5 * MEGABYTE + "<rss/>",
    "long-author": f"{RSS}<item><author>{'a' * MEGABYTE}@</author></item></channel></rss>",
    "long-date": f"{RSS}<item><pubDate>{'1 ' * MEGABYTE}</pubDate></item></channel></rss>",
    "dates": RSS + "".join(f"<item><pubDate>{'9' * number}-99-99T99:99:99Z</pubDate></item>" for number in range(300)),
    "many-links": f"{RSS}<item>{'<link>http://a.example/</link>' * 50_000}</item></channel></rss>",
    "xhtml": f'{ATOM}<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">{"<p>a</p>" * 90_000}</div>',
    "json-deep": '{"version": "https://jsonfeed.org/version/1", "items": ' + "[" * MEGABYTE,
    "json-number": '{"version": "https://jsonfeed.org/version/1", "items": [{"id": ' + "9" * MEGABYTE + "}]}",
    "json-wrong": '{"version": "https://jsonfeed.org/version/1", "items": [{"authors": [7]}, 8, null, {"url": []}]}',
}  # fmt: skip


def outcome(read: Callable[[], T]) -> T | None:
    """What reading gives; None where it is refused with a reason."""
    try:
        return read()
    except CollectionError as error:
        if not str(error):
            raise
        return None


@pytest.mark.parametrize("name", FEEDS)
def test_a_hostile_feed_gives_entries_or_a_reason_in_bounded_time(name: str) -> None:
    start = time.process_time()
    feed = outcome(lambda: parsing.parse(FEEDS[name].encode(), "https://blog.example/feed"))
    assert time.process_time() - start < SECONDS
    assert feed is None or len(feed.entries) <= parsing.MAX_ENTRIES
    assert "root:" not in repr(feed)


@pytest.mark.parametrize("name", ["billion-laughs", "entity-after-a-comment", "external-entity"])
@pytest.mark.parametrize("root", ["rss", "urlset"])
def test_entities_are_refused_before_anything_expands_them(name: str, root: str) -> None:
    data = FEEDS[name].replace("rss", root).encode()
    with pytest.raises(CollectionError, match="declares XML entities"):
        _ = (
            parsing.parse(data, "https://blog.example/feed")
            if root == "rss"
            else sitemaps.parse(data, max_bytes=MEGABYTE)
        )


PAGES = {
    "deep": "<div>" * MEGABYTE + "text",
    "deep-lists": f"<article>{SENTENCE * 3}{'<ul><li>x' * 300}{SENTENCE}",
    "deep-tables": f"<article>{SENTENCE * 3}{'<table><tr><td>x<td>y' * 100}{SENTENCE}",
    "wide": "<p>x" * 500_000,
    "attributes": f"<p {MANY_ATTRIBUTES}>text",
    "open-quotes": '<p a="' * 500_000,
    "long-class": f'<article class="{"nav " * MEGABYTE}">{SENTENCE * 3}</article>',
    "columns": f"<article>{SENTENCE * 3}<table>{'<tr><td colspan=99999>x<td>y' * 1_000}</table></article>",
    "square-brackets": f"<article>{SENTENCE * 3}<p>{'[' * MEGABYTE}</p></article>",
    "backticks": f"<article>{SENTENCE * 3}<pre>{'`' * MEGABYTE}</pre></article>",
    "one-line": f"<article>{SENTENCE * 3}<p>{'<b>x</b>' * 30_000}</p></article>",
    "links": f"<article>{SENTENCE * 3}<p>{'<a href=//a.example/>x</a>' * 4_000}</p></article>",
    "blank": f"<article>{SENTENCE * 3}<p>{' ' * 5 * MEGABYTE}x</p></article>",
    "json-ld": f'<script type="application/ld+json">{"[" * MEGABYTE}</script><article>{SENTENCE * 3}</article>',
    "hrefs": f'<article>{SENTENCE * 3}<p><a href="http://[">a b</a> <a href="javascript:x">c d</a></p></article>',
}


@pytest.mark.parametrize("name", PAGES)
def test_a_hostile_page_gives_markdown_or_a_reason_in_bounded_time(name: str) -> None:
    start = time.process_time()
    page = outcome(lambda: webpage.read(PAGES[name], "https://blog.example/post"))
    fragment = outcome(lambda: webpage.fragment(PAGES[name], "https://blog.example/post"))
    assert time.process_time() - start < SECONDS
    for content in (page.content if page else "", fragment or ""):
        assert len(content) <= 3 * len(PAGES[name]) + 100_000
        assert "javascript:" not in content


PIECES = (
    b"<rss>,<channel>,<item>,</item>,<title>,</title>,<link>http://a.example/b</link>,<feed ,<entry>,</entry>,</feed>,"
    b'xmlns="http://www.w3.org/2005/Atom">,<content type="xhtml">,<content:encoded>,<![CDATA[,]]>,&nbsp;,&,\xff\xfe,'
    b"<!DOCTYPE x>,<?xml version='1.0' encoding='utf-16'?>,<pubDate>Sat 99 Foo</pubDate>,<author><name>,"
    b"<dc:creator>,\0,<georss:point>,"
    b'<link href=",xml:base="//[",<updated>2024-13-45,<id>,</channel></rss>,<itunes:owner>,<media:group>,'
    b'{"version":"https://jsonfeed.org/version/1","items":[,{"id":1},]},<urlset>,<url><loc>,<sitemapindex>,<p>,<pre>,'
    b"<table><tr><td>,<ul><li>,<a href=\",<base href=',<html lang=,<article>"
).split(b",")
ANY_BYTES = st.one_of(
    st.binary(max_size=400),
    st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=12)), max_size=30).map(b"".join),
)


@settings(max_examples=250, deadline=2_000)
@given(data=ANY_BYTES, charset=st.sampled_from([None, "utf-8", "latin-1", "utf-16", "no-such"]))
@example(data=b"<feed xmlns='http://www.w3.org/2005/Atom'><entry xml:base='//['><link href='x'/></entry>", charset=None)
@example(data=b"\x1f\x8b\x08\0\0\0\0\0", charset=None)
def test_any_bytes_are_a_feed_or_a_reason(data: bytes, charset: str | None) -> None:
    for media_type in ("", "application/json"):
        feed = outcome(lambda: parsing.parse(data, "https://blog.example/feed", charset=charset, media_type=media_type))  # noqa: B023
        for entry in feed.entries if feed else []:
            fragment = outcome(lambda: webpage.fragment(entry.html or "", entry.base))  # noqa: B023
            (fragment or "").encode("utf-8")


@settings(max_examples=150, deadline=2_000)
@given(data=ANY_BYTES)
def test_any_bytes_are_a_sitemap_or_a_reason(data: bytes) -> None:
    found = outcome(lambda: sitemaps.parse(data, max_bytes=10_000))
    assert found is None or all(place.url.strip() for place in found.pages + found.sitemaps)


@settings(max_examples=120, deadline=4_000)
@given(data=ANY_BYTES)
def test_any_text_is_a_page_or_a_reason(data: bytes) -> None:
    html = data.decode("latin-1")
    page = outcome(lambda: webpage.read(html, "https://blog.example/post"))
    fragment = outcome(lambda: webpage.fragment(html, "https://blog.example/post"))
    for content in (page.content if page else "", fragment or ""):
        content.encode("utf-8")
