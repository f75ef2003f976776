"""Canonical URLs, and what a page may say of its own place."""

from __future__ import annotations

import pytest

from twin.collection.web import urls
from twin.errors import InputError


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("HTTP://Example.ORG", "http://example.org/"),
        ("https://example.org:443/a", "https://example.org/a"),
        ("https://example.org:8443/a", "https://example.org:8443/a"),
        ("https://example.org/a?b=1&utm_medium=mail&c=%20x", "https://example.org/a?b=1&c=%20x"),
        ("https://example.org/a?b=%20x", "https://example.org/a?b=%20x"),
        ("https://example.org/a#section", "https://example.org/a"),
        ("https://example.org/#/post/1", "https://example.org/#/post/1"),
        ("https://[2606:4700::1]:80/a", "https://[2606:4700::1]:80/a"),
        ("https://b\u00fccher.example/\u00fc b?q=\u00e4", "https://xn--bcher-kva.example/%C3%BC%20b?q=%C3%A4"),
        ("https://example.org./%7Eme/%2f%c3%bc", "https://example.org/~me/%2F%C3%BC"),
        ("https://example.org/a/./b/../c/..", "https://example.org/a/"),
        ("https://example.org/../../a", "https://example.org/a"),
        ("https://example.org/a%zz", "https://example.org/a%zz"),
        ("https://example.org/?a&utm_source=x&b=", "https://example.org/?a&b="),
        ("https://example.org/?utm%5Fsource=x", "https://example.org/"),
        ("https://example.org?x=1", "https://example.org/?x=1"),
        ("https://example.org/list?si=1", "https://example.org/list?si=1"),
        ("https://www.youtube.com/watch?v=a&SI=1", "https://www.youtube.com/watch?v=a"),
        ("xquad://Super_Bowl_50#0", "xquad://Super_Bowl_50#0"),
    ],
)
def test_one_spelling(url: str, canonical: str) -> None:
    assert urls.canonical(url) == canonical


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (None, "https://www.example.org/p?page=2"),
        ("/p", "https://www.example.org/p"),
        ("https://example.org/p#x", "https://example.org/p"),
        ("https://bank.example.com/p", "https://www.example.org/p?page=2"),
        ("/", "https://www.example.org/p?page=2"),
        ("javascript:alert(1)", "https://www.example.org/p?page=2"),
        ("https://a:b@example.org/p", "https://www.example.org/p?page=2"),
        ("http://[broken", "https://www.example.org/p?page=2"),
        ("", "https://www.example.org/p?page=2"),
    ],
)
def test_a_page_is_believed_about_its_own_site_only(declared: str | None, expected: str) -> None:
    assert urls.page_location("https://www.example.org/p?page=2", declared) == expected


@pytest.mark.parametrize(
    "url",
    [
        "http://a:b@example.org/",
        "http://example.org:99999/",
        "http://example.org:x/",
        "http://[broken/",
        "http://exa mple.org/",
        "http://%31%32%37.0.0.1/",
        "http://[fe80::1%25eth0]/",
        "http://a\u2100b.example/",
    ],
)
def test_what_is_no_url_is_said_to_be_none(url: str) -> None:
    with pytest.raises(InputError, match=r"not a valid URL|user name or password"):
        urls.canonical(url)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b", "https://example.org/b"),
        ("?b=1&utm_source=x", "https://example.org/a?b=1&utm_source=x"),
        ("//Other.Example:443/b#c", "https://other.example/b"),
        ("\u00c3\u00bc", "https://example.org/%C3%BC"),  # UTF-8, one character a byte
        ("\u00fc", "https://example.org/%C3%BC"),  # Latin-1
        (" /b ", "https://example.org/b"),
    ],
)
def test_a_redirect_keeps_what_the_server_needs(location: str, target: str) -> None:
    assert urls.redirect_target("https://example.org/a", location) == target
