"""Canonical URLs, and what a page may say of its own place."""

from __future__ import annotations

import pytest

from twin.collection import urls


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
