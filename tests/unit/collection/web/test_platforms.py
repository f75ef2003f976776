"""Which URLs are an author's feed at a platform, which are feeds and sitemaps, and which stay articles."""

from __future__ import annotations

import pytest

from twin import collection
from twin.collection.web import platforms

FEEDS = {
    "https://medium.com/@ada.l": "https://medium.com/feed/@ada.l",
    "https://www.medium.com/@ada/": "https://medium.com/feed/@ada",
    "https://medium.com/better-caches": "https://medium.com/feed/better-caches",
    "https://ada.medium.com": "https://ada.medium.com/feed",
    "https://ada.substack.com": "https://ada.substack.com/feed",
    "https://ada.substack.com/archive?sort=new": "https://ada.substack.com/feed",
    "https://open.substack.com/pub/ada": "https://ada.substack.com/feed",
    "https://dev.to/ada": "https://dev.to/feed/ada",
    "https://ada.wordpress.com/": "https://ada.wordpress.com/feed/",
    "https://ada.blogspot.com": "https://ada.blogspot.com/feeds/posts/default",
    "https://ada.tumblr.com": "https://ada.tumblr.com/rss",
    "https://ada.ghost.io": "https://ada.ghost.io/rss/",
    "https://ada.hashnode.dev": "https://ada.hashnode.dev/rss.xml",
    "https://blog.example/feed/": "https://blog.example/feed/",
    "https://blog.example/rss?utm_source=x": "https://blog.example/rss",
    "https://blog.example/posts.atom": "https://blog.example/posts.atom",
    "https://blog.example/index.xml": "https://blog.example/index.xml",
    "https://blog.example/feed.json": "https://blog.example/feed.json",
    "https://blog.example/?feed=rss2": "https://blog.example/?feed=rss2",
    "https://medium.com/feed/@ada": "https://medium.com/feed/@ada",
    "feed:https://blog.example/news": "https://blog.example/news",
    "FEED://blog.example/news": "https://blog.example/news",
    "feed:https://medium.com/@ada": "https://medium.com/feed/@ada",
}
SITEMAPS = {
    "https://blog.example/sitemap.xml": "https://blog.example/sitemap.xml",
    "https://blog.example/wp-sitemap-posts-1.xml": "https://blog.example/wp-sitemap-posts-1.xml",
    "https://blog.example/post-sitemap.xml.gz": "https://blog.example/post-sitemap.xml.gz",
    "sitemap:https://blog.example/map": "https://blog.example/map",
    "sitemap:blog.example/map": "https://blog.example/map",
}
ARTICLES = [
    "https://medium.com/@ada/on-caches-0123456789ab",
    "https://medium.com/better-caches/on-caches-0123456789ab",
    "https://medium.com/p/0123456789ab",
    "https://medium.com/tag",
    "https://ada.medium.com/on-caches-0123456789ab",
    "https://ada.substack.com/p/on-caches",
    "https://substack.com/home",
    "https://open.substack.com/pub/ada/p/on-caches",
    "https://dev.to/ada/on-caches-1",
    "https://dev.to/t",
    "https://ada.wordpress.com/2024/01/02/on-caches/",
    "https://www.tumblr.com/ada",
    "https://blog.example/feeding-caches",
    "https://blog.example/rss/how-it-works",
    "https://blog.example/sitemaps",
]


@pytest.mark.parametrize("location", FEEDS)
def test_a_feed_is_known_by_its_url_and_located_at_the_feed(location: str) -> None:
    source = collection.detect(location)
    assert (source.kind, source.location) == ("feed", FEEDS[location])


@pytest.mark.parametrize("location", SITEMAPS)
def test_a_sitemap_is_known_by_its_url(location: str) -> None:
    source = collection.detect(location)
    assert (source.kind, source.location) == ("sitemap", SITEMAPS[location])


@pytest.mark.parametrize("location", ARTICLES)
def test_a_single_article_stays_one(location: str) -> None:
    assert collection.detect(location).kind == "article"


@pytest.mark.parametrize(
    ("url", "platform"),
    [
        ("https://medium.com/@ada/x-0123456789ab", "medium"),
        ("https://ada.medium.com/x", "medium"),
        ("https://ada.substack.com/p/x", "substack"),
        ("https://www.blog.example/x", "blog.example"),
        ("https://notmedium.com/x", "notmedium.com"),
        ("file:///x", ""),
    ],
)
def test_the_platform_is_named_where_it_is_known_and_else_the_host(url: str, platform: str) -> None:
    assert platforms.platform_of(url) == platform
