"""Feeds as watched sources, from a real server on this machine whose entries are edited, fall off and are deleted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.integration.web import Remembering, Site, serve
from twin import collection
from twin.collection.feeds.recheck import RECHECKED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.records import Source

RSS = "application/rss+xml; charset=utf-8"
SENTENCE = "This paragraph is long enough to be kept by anyone who reads it, and says something of {} besides. "


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as site:
        yield site


def source(site: Site, path: str = "/feed", author: str | None = "Grace Hopper") -> Source:
    return collection.detect(f"{site.url}{path}", author)


def entry(name: str, *, body: str | None = None, summary: str | None = None, extra: str = "") -> str:
    content = f"<content:encoded><![CDATA[{body}]]></content:encoded>" if body is not None else ""
    short = f"<description>{summary}</description>" if summary is not None else ""
    return (
        f"<item><title>On {name}</title><link>{{site}}/{name}?utm_source=rss</link>"
        f"<guid isPermaLink='false'>{name}</guid>{content}{short}{extra}</item>"
    )


def rss(*entries: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" '
        'xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        "<channel><title>A blog</title><link>{site}/</link><language>en-GB</language>"
        f"{''.join(entries)}</channel></rss>"
    )


def page(name: str, text: str | None = None, head: str = "") -> str:
    said = text or SENTENCE.format(name)
    return (
        f'<html lang="en"><head><title>Page of {name}</title>{head}</head><body><nav><a href="/">Home</a></nav>'
        f"<article><h1>Page of {name}</h1><p>{said}</p><p>{SENTENCE.format('the rest')}</p></article></body></html>"
    )


def test_a_full_entry_is_a_document_without_its_page_being_asked(site: Site) -> None:
    code = '<pre><code class="language-py">x</code></pre>'
    body = f'<p>One <b>two</b> <a href="/three?utm_medium=rss&amp;a=1">three</a>.</p>{code}'
    extra = "<dc:creator>Ada Lovelace</dc:creator><pubDate>Sat, 02 Mar 2024 10:00:00 +0100</pubDate>"
    site.put("/feed", rss(entry("engines", body=body, extra=extra)), media_type=RSS)
    [document] = Remembering().look(source(site)).documents
    assert document.url == f"{site.url}/engines"
    assert document.content == f"One **two** [three]({site.url}/three?a=1).\n\n```py\nx\n```"
    assert (document.title, document.author, document.language) == ("On engines", "Ada Lovelace", "en-gb")
    assert document.published_at == datetime(2024, 3, 2, 9, tzinfo=UTC)
    assert document.platform == "localhost"
    assert site.asked_now() == ["/feed"]


def test_the_page_of_a_summary_is_read_and_what_the_feed_says_of_it_wins(site: Site) -> None:
    extra = "<dc:creator>Ada Lovelace</dc:creator><pubDate>Sat, 02 Mar 2024 10:00:00 GMT</pubDate>"
    site.put("/feed", rss(entry("engines", summary="Short …", extra=extra)), media_type=RSS)
    site.put("/engines", page("engines", head='<meta name="author" content="Somebody Else">'))
    [document] = Remembering().look(source(site)).documents
    assert (document.title, document.author) == ("On engines", "Ada Lovelace")
    assert document.published_at == datetime(2024, 3, 2, 10, tzinfo=UTC)
    assert "long enough to be kept" in document.content
    assert "Home" not in document.content


def test_the_sources_author_is_taken_where_the_entry_names_none(site: Site) -> None:
    site.put("/feed", rss(entry("engines", body="<p>Text.</p>")), media_type=RSS)
    assert Remembering().look(source(site)).documents[0].author == "Grace Hopper"
    assert "--author" in Remembering().look(source(site, author=None)).reasons()


def test_an_unchanged_feed_costs_one_request_and_no_work(site: Site) -> None:
    site.put("/feed", rss(entry("a", body="<p>A.</p>"), entry("b", summary="b")), media_type=RSS)
    site.put("/b", page("b"))
    memory, watched = Remembering(), source(site)
    assert len(memory.look(watched).documents) == 2
    site.asked_now()
    again = memory.look(watched)
    assert site.asked_now() == ["=/feed"]
    assert not again.documents
    assert sorted(again.unchanged) == [f"{site.url}/a", f"{site.url}/b"]


def test_new_and_changed_entries_are_taken_and_the_others_cost_nothing(site: Site) -> None:
    site.put("/feed", rss(entry("a", body="<p>A.</p>"), entry("b", summary="b")), media_type=RSS)
    site.put("/b", page("b"))
    memory, watched = Remembering(), source(site)
    memory.look(watched)
    site.asked_now()
    site.put(
        "/feed",
        rss(entry("c", body="<p>C.</p>"), entry("a", body="<p>A!</p>"), entry("b", summary="b")),
        media_type=RSS,
    )
    look = memory.look(watched)
    assert [document.content for document in look.documents] == ["C.", "A!"]
    assert look.unchanged == [f"{site.url}/b"]
    assert site.asked_now() == ["/feed"]


def test_a_summary_that_changes_makes_its_page_be_read_again(site: Site) -> None:
    site.put("/feed", rss(entry("b", summary="b")), media_type=RSS)
    site.put("/b", page("b"))
    memory, watched = Remembering(), source(site)
    memory.look(watched)
    site.put("/feed", rss(entry("b", summary="b, edited")), media_type=RSS)
    site.put("/b", page("b", SENTENCE.format("an edit")))
    [document] = memory.look(watched).documents
    assert "something of an edit" in document.content


def test_what_fell_off_stays_and_its_edits_and_its_end_are_found(site: Site) -> None:
    new, old, end = entry("new", body="<p>N.</p>"), entry("old", body="<p>O.</p>"), entry("end", summary="e")
    site.put("/feed", rss(new, old, end), media_type=RSS)
    site.put("/old", page("old"))
    site.put("/end", page("end"))
    memory, watched = Remembering(), source(site)
    assert len(memory.look(watched).documents) == 3
    site.put("/feed", rss(entry("new", body="<p>N.</p>")), media_type=RSS)
    site.asked_now()

    first = memory.look(watched)
    assert not first.documents
    assert not first.gone
    assert sorted(site.asked_now()) == ["/feed", "/old", "=/end"]

    quiet = memory.look(watched)
    assert not quiet.documents
    assert sorted(site.asked_now()) == ["=/end", "=/feed", "=/old"]

    site.put("/old", page("old", SENTENCE.format("an edit")))
    site.put("/end", "gone", status=410)
    last = memory.look(watched)
    assert [document.url for document in last.documents] == [f"{site.url}/old"]
    assert "something of an edit" in last.documents[0].content
    assert last.documents[0].title == "On old"
    assert last.gone == [f"{site.url}/end"]


def test_a_page_that_only_looks_different_is_no_edit(site: Site) -> None:
    site.put("/feed", rss(entry("old", body="<p>O.</p>")), media_type=RSS)
    site.put("/old", page("old"))
    memory, watched = Remembering(), source(site)
    memory.look(watched)
    site.put("/feed", rss(entry("new", body="<p>N.</p>")), media_type=RSS)
    memory.look(watched)
    site.put("/old", page("old", head="<script>nonce(1)</script>"))
    assert not memory.look(watched).documents


def test_few_old_pages_are_looked_at_in_a_run_and_the_oldest_look_is_next(site: Site) -> None:
    names = [f"old{number:02}" for number in range(24)]
    site.put("/feed", rss(*(entry(name, summary=name) for name in names)), media_type=RSS)
    for name in names:
        site.put(f"/{name}", page(name))
    memory, watched = Remembering(), source(site)
    memory.look(watched)
    site.put("/feed", rss(entry("new", body="<p>N.</p>")), media_type=RSS)
    seen: list[set[str]] = []
    for _ in range(3):
        site.asked_now()
        memory.look(watched)
        seen.append({path.strip("=/") for path in site.asked_now()} - {"feed"})
    assert [len(names) for names in seen] == [10, 10, 10]
    assert seen[0].isdisjoint(seen[1])
    assert set.union(*seen) == set(names)


def test_old_pages_that_fail_do_not_keep_the_others_from_being_looked_at(site: Site) -> None:
    names = [f"p{number:02}" for number in range(RECHECKED + 2)]
    for name in names:
        site.put(f"/{name}", page(name))
    site.put("/feed", rss(*(entry(name, summary="In short.") for name in names)), media_type=RSS)
    memory, feed = Remembering(), source(site)
    assert len(memory.look(feed).documents) == len(names)
    for name in names[:RECHECKED]:
        site.put(f"/{name}", "no", status=403)
    site.put(f"/{names[-1]}", page(names[-1], "It was edited in the meantime, and says something else."))
    site.put("/new", page("new"))
    site.put("/feed", rss(entry("new", summary="In short.")), media_type=RSS)
    looks = [memory.look(feed) for _ in range(2)]
    assert [document.title for document in looks[1].documents] == [f"On {names[-1]}"]


def test_a_page_that_could_not_be_had_is_asked_for_again_though_the_feed_is_unchanged(site: Site) -> None:
    site.put("/feed", rss(entry("a", body="<p>A.</p>"), entry("b", summary="b")), media_type=RSS)
    site.put("/b", "later", status=503)
    memory, watched = Remembering(), source(site)
    assert "503" in memory.look(watched).reasons()
    site.put("/b", page("b"))
    assert [document.url for document in memory.look(watched).documents] == [f"{site.url}/b"]
    site.asked_now()
    memory.look(watched)
    assert site.asked_now() == ["=/feed"]


def test_a_page_without_an_article_is_refused_each_time_and_fetched_once(site: Site) -> None:
    site.put("/feed", rss(entry("a", body="<p>A.</p>"), entry("b", summary="b")), media_type=RSS)
    site.put("/b", "<html><body><script>render()</script></body></html>")
    memory, watched = Remembering(), source(site)
    assert "reads like an article" in memory.look(watched).reasons()
    site.put(
        "/feed",
        rss(entry("c", body="<p>C.</p>"), entry("a", body="<p>A.</p>"), entry("b", summary="b")),
        media_type=RSS,
    )
    site.asked_now()
    assert "has not changed since" in memory.look(watched).reasons()
    assert site.asked_now() == ["/feed"]


def test_broken_entries_are_told_one_by_one_and_the_rest_is_taken(site: Site) -> None:
    nameless = "<item><title>No place</title><description>x</description></item>"
    elsewhere = "<item><title>Look</title><link>https://elsewhere.example/x</link><guid>https://elsewhere.example/x</guid><description>d</description></item>"
    empty = entry("empty", body="<p> </p><script>x()</script>")
    dated = entry("dated", body="<p>D.</p>", extra="<pubDate>32 Nonsense</pubDate>")
    site.put("/empty", page("empty", "x"), status=404)
    site.put("/feed", rss(nameless, elsewhere, empty, dated, entry("dated", body="<p>Twice.</p>")), media_type=RSS)
    look = Remembering().look(source(site))
    assert [document.content for document in look.documents] == ["D."]
    assert look.documents[0].published_at is None
    reasons = look.reasons()
    assert "no link and no id" in reasons
    assert "links to another site" in reasons
    assert "404" in reasons
    assert f"{site.url}/dated twice" in reasons
    assert len(look.rejected) == 4


def test_an_entry_about_a_page_of_another_site_does_not_take_its_place(site: Site) -> None:
    item = (
        "<item><title>A good page</title><link>https://elsewhere.example/x</link><guid>tag:1</guid>"
        "<content:encoded>What I think of it.</content:encoded></item>"
    )
    site.put("/feed", rss(item), media_type=RSS)
    [document] = Remembering().look(source(site)).documents
    assert document.url == f"{site.url}/feed#tag:1"


def test_a_private_address_in_a_summarys_link_is_refused(site: Site) -> None:
    site.put("/feed", rss(entry("a", summary="a")), media_type=RSS)
    look = Remembering().look(source(site), allow_private_addresses=False)
    assert look.error is not None
    assert "COLLECTION_ALLOW_PRIVATE_ADDRESSES" in str(look.error)


def test_atom_with_relative_links_an_inherited_author_and_older_pages(site: Site) -> None:
    def atom(name: str, following: str) -> str:
        return (
            '<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="de"><title>T</title><author><name>Ada Lovelace</name>'
            f'</author>{following}<entry><id>urn:{name}</id><title type="html">&lt;b&gt;{name}&lt;/b&gt; &amp;amp; '
            f'more</title><link href="/{name}"/><updated>2024-01-02T03:04:05Z</updated><content type="xhtml"><div '
            'xmlns="http://www.w3.org/1999/xhtml"><p>Ein <em>Wort</em>.</p></div></content></entry></feed>'
        )

    site.put("/atom.xml", atom("b", '<link rel="next" href="/atom2.xml"/>'), media_type="application/atom+xml")
    site.put("/atom2.xml", atom("a", '<link rel="next" href="/atom.xml"/>'), media_type="application/atom+xml")
    memory, watched = Remembering(), source(site, "/atom.xml", author=None)
    look = memory.look(watched)
    assert [document.url for document in look.documents] == [f"{site.url}/b", f"{site.url}/a"]
    assert look.documents[0].title == "b & more"
    assert look.documents[0].author == "Ada Lovelace"
    assert look.documents[0].content == "Ein *Wort*."
    assert look.documents[0].language == "de"
    assert site.asked_now() == ["/atom.xml", "/atom2.xml"]
    memory.look(watched)
    assert site.asked_now() == ["=/atom.xml"]


def test_json_feed_with_an_entry_that_does_not_fit_and_a_further_page(site: Site) -> None:
    site.put(
        "/feed.json",
        '{"version": "https://jsonfeed.org/version/1.1", "title": "T", "language": "fr",'
        '"authors": [{"name": "Ada Lovelace"}], "next_url": "{site}/feed2.json",'
        '"items": [{"id": 1, "url": "{site}/a", "title": "A", "content_html": "<p>Un <i>mot</i>.</p>",'
        '"date_published": "2024-05-06T07:08:09+02:00"}, {"id": {}, "url": 3}]}',
        media_type="application/feed+json",
    )
    site.put(
        "/feed2.json",
        '{"version": "https://jsonfeed.org/version/1", "items": [{"id": "x", "content_text": "Plain < text, and some '
        'more words so that its title is only the first words of it", "author": {"name": "Bob"}}]}',
        media_type="application/json",
    )
    look = Remembering().look(source(site, "/feed.json", author=None))
    first, second = look.documents
    assert (first.content, first.author, first.language) == ("Un *mot*.", "Ada Lovelace", "fr")
    assert first.published_at == datetime(2024, 5, 6, 5, 8, 9, tzinfo=UTC)
    assert (second.url, second.author) == (f"{site.url}/feed.json#x", "Bob")
    assert second.title == "Plain < text, and some more words so that its title is …"
    assert "does not fit JSON Feed" in look.reasons()


def test_a_feed_that_breaks_off_gives_its_whole_entries_and_is_read_again(site: Site) -> None:
    whole = rss(entry("a", body="<p>A.</p>"), entry("b", body="<p>B.</p>"))
    site.put("/feed", whole[: whole.index("B.")], media_type=RSS)
    memory, watched = Remembering(), source(site)
    look = memory.look(watched)
    assert [document.content for document in look.documents] == ["A."]
    assert "breaks off" in look.reasons()
    site.put("/feed", whole, media_type=RSS)
    assert [document.content for document in memory.look(watched).documents] == ["B."]


def test_a_connection_that_ends_too_early_fails_the_source_and_loses_nothing(site: Site) -> None:
    site.put("/feed", rss(entry("a", body="<p>A.</p>")), media_type=RSS)
    memory, watched = Remembering(), source(site)
    memory.look(watched)
    site.put("/feed", rss(entry("b", body="<p>B.</p>")), media_type=RSS)
    site.breaks_off = {"/feed"}
    look = memory.look(watched)
    assert look.error is not None
    assert not look.gone
    assert list(memory.documents) == [f"{site.url}/a"]


@pytest.mark.parametrize(
    ("body", "media_type", "reason"),
    [
        ('<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><rss><channel>&b;</channel></rss>', RSS, "entities"),
        ('<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><rss><channel>&a;</channel></rss>', RSS, "entities"),
        ("<html><link rel='alternate' type='application/rss+xml' href='/real'></html>", "text/html", "this one: /real"),
        ("<svg/>", "text/xml", "its root is <svg>"),
        ("{}", "application/json", "no JSON Feed"),
        ("{", "application/json", "not valid JSON"),
        ("", RSS, "not XML"),
    ],
)  # fmt: skip
def test_what_is_no_feed_says_why(site: Site, body: str, media_type: str, reason: str) -> None:
    site.put("/feed", body, media_type=media_type)
    assert reason in str(Remembering().look(source(site)).error)


def test_a_feed_that_is_gone_takes_nothing_with_it(site: Site) -> None:
    site.put("/feed", rss(entry("a", body="<p>A.</p>")), media_type=RSS)
    memory, watched = Remembering(), source(site)
    memory.look(watched)
    site.put("/feed", "gone", status=410)
    look = memory.look(watched)
    assert "Its documents stay" in str(look.error)
    assert list(memory.documents) == [f"{site.url}/a"]


def test_what_platforms_put_around_an_entry_is_left_out(site: Site) -> None:
    body = (
        "<p>The text.</p><div class='subscription-widget-wrap'><p>Thanks for reading! Subscribe for free.</p></div>"
        "<p class='button-wrapper'><a class='button primary' href='https://x.example/subscribe'>Subscribe now</a></p>"
        "<p>The post <a href='https://x.example/a'>A</a> appeared first on <a href='https://x.example'>X</a>.</p>"
    )
    site.put("/feed", rss(entry("a", body=body)), media_type=RSS)
    assert Remembering().look(source(site)).documents[0].content == "The text."


@pytest.mark.parametrize(
    ("declared", "named", "written"),
    [
        ("windows-1252", "", "cp1252"),
        ("windows-1252", "; charset=utf-8", "cp1252"),
        ("utf-8", "; charset=iso-8859-1", "utf-8"),
        ("utf-16", "", "utf-16"),
        ("us-ascii", "", "utf-8"),
    ],
)
def test_an_encoding_is_told_by_the_bytes_before_what_is_said_of_it(
    site: Site, declared: str, named: str, written: str
) -> None:
    text = rss(entry("a", body="<p>“naïve café” – déjà vu</p>")).replace("{site}", site.url).replace("UTF-8", declared)
    site.put("/feed", text.encode(written), media_type=f"text/xml{named}")
    [document] = Remembering().look(source(site)).documents
    assert document.content == "“naïve café” – déjà vu"


def test_html_entities_bare_ampersands_and_undeclared_prefixes_do_no_harm(site: Site) -> None:
    item = (
        "<item><title>R&D &mdash; A&nbsp;B &amp;amp; C</title><link>{site}/a</link><dc:creator>Ada</dc:creator>"
        "<media:thumbnail url='x'/><content:encoded>One & two.</content:encoded></item>"
    )
    site.put("/feed", f"<rss><channel><title>x</title>{item}</channel></rss>", media_type=RSS)
    [document] = Remembering().look(source(site)).documents
    assert (document.title, document.author, document.content) == ("R&D — A B & C", "Ada", "One & two.")
