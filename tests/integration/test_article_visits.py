"""Web articles looked at again: what did not change costs one request, and what is gone is said to be gone."""

from __future__ import annotations

from typing import Any

import pytest

from twin.records import Document, Gone, Rejected, Unchanged

ALLOWED: dict[str, Any] = {"allow_private_addresses": True, "attempts": 1, "host_delay_min_seconds": 0.0}


def article(text: str, head: str = "") -> bytes:
    paragraph = f"This paragraph about {text} is long enough to be taken for what the page is about. "
    return f"<!doctype html><html><head><title>On {text}</title>{head}</head><body><article><h1>On {text}</h1>\
<p>{paragraph * 3}</p><p>{paragraph * 3}</p></article></body></html>".encode()


def test_an_unchanged_article_costs_one_request_and_no_work(web: Any, looks: Any) -> None:
    web.routes["/p"] = [web.answer(article("engines"), "200 OK", 'ETag: "1"'), b"HTTP/1.1 304 Not Modified\r\n\r\n"]
    [document] = looks(web.url("/p"), **ALLOWED)
    assert isinstance(document, Document)
    assert looks(web.url("/p"), **ALLOWED) == [Unchanged(url=document.url)]
    assert web.paths() == ["/p", "/p"]


def test_the_same_page_without_validators_is_unchanged_too(web: Any, looks: Any) -> None:
    web.routes["/p"] = web.answer(article("engines"))
    [document] = looks(web.url("/p"), **ALLOWED)
    assert looks(web.url("/p"), **ALLOWED) == [Unchanged(url=document.url)]


def test_an_edited_article_comes_again_under_the_same_id(web: Any, looks: Any) -> None:
    web.routes["/p"] = [
        web.answer(article("engines"), "200 OK", 'ETag: "1"'),
        web.answer(article("looms"), "200 OK", 'ETag: "2"'),
        b"HTTP/1.1 304 Not Modified\r\n\r\n",
    ]
    [first], [second], third = (looks(web.url("/p"), **ALLOWED) for _ in range(3))
    assert (second.id, second.title) == (first.id, "On looms")
    assert third == [Unchanged(url=first.url)]
    assert web.asked[-1].headers["If-None-Match"] == '"2"'


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone"])
def test_an_article_that_was_taken_down_is_gone(web: Any, looks: Any, status: str) -> None:
    page = web.answer(article("engines", '<link rel="canonical" href="/canonical">'))
    web.routes["/p"] = [page, web.answer(b"", status)]
    looks(web.url("/p"), **ALLOWED)
    [gone] = looks(web.url("/p"), **ALLOWED)
    assert gone == Gone(url=web.url("/canonical"), reason=f"the server answered {status}")


def test_an_address_that_never_gave_anything_failed(web: Any, looks: Any) -> None:
    [outcome] = looks(web.url("/mistyped"), **ALLOWED)
    assert outcome == Rejected(url=web.url("/mistyped"), reason="the server answered 404 Not Found", refused=False)


def test_a_failure_leaves_what_is_remembered(web: Any, looks: Any) -> None:
    web.routes["/p"] = [
        web.answer(article("engines"), "200 OK", 'ETag: "1"'),
        web.answer(b"", "503 Busy"),
        b"HTTP/1.1 304 Not Modified\r\n\r\n",
    ]
    [document] = looks(web.url("/p"), **ALLOWED)
    [failure] = looks(web.url("/p"), **ALLOWED)
    assert isinstance(failure, Rejected)
    assert not failure.refused
    assert looks(web.url("/p"), **ALLOWED) == [Unchanged(url=document.url)]


def test_an_article_that_moved_has_its_new_address(web: Any, looks: Any) -> None:
    web.routes["/old"] = web.answer(b"", "301 Moved", "Location: /new?utm_source=old")
    web.routes["/new?utm_source=old"] = web.answer(article("engines"))
    [document] = looks(web.url("/old"), **ALLOWED)
    assert document.url == web.url("/new")


def test_another_author_for_the_source_means_reading_it_anew(web: Any, looks: Any) -> None:
    web.routes["/p"] = web.answer(article("engines"), "200 OK", 'ETag: "1"')
    [first] = looks(web.url("/p"), "Ada", **ALLOWED)
    [second] = looks(web.url("/p"), "Grace", **ALLOWED)
    assert (first.author, second.author) == ("Ada", "Grace")
    assert "If-None-Match" not in web.asked[-1].headers


@pytest.mark.parametrize("sent", ["utf-8", "latin-1", "utf-16", "no-such-charset", "ascii"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_wrong_charset_is_seen_through_or_told(web: Any, looks: Any, sent: str, encoding: str) -> None:
    text = "Café – “naïve” façades, déjà vu, Ünïcödé"
    web.routes["/p"] = web.answer(article(text).decode().encode(encoding), type=f"text/html; charset={sent}")
    [outcome] = looks(web.url("/p"), **ALLOWED)
    if isinstance(outcome, Document):
        assert "�" not in outcome.content
        assert encoding != "utf-8" or text in outcome.content
    else:
        assert encoding == "cp1252"
        assert "encoding" in outcome.reason or "broken" in outcome.reason
