"""Which platform a URL is on, and where the feed of an author there is. By URL alone; only what is certain."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from twin.collection.web import urls

__all__ = ["feed_of", "platform_of"]


class _Platform(NamedTuple):
    """A platform where each author has a host name."""

    name: str
    domain: str
    feed: str
    """Path of an author's feed."""
    not_authors: frozenset[str] = frozenset()
    profile_paths: frozenset[str] = frozenset({""})
    """Paths that show an author's posts and are none themselves, without slashes at their ends."""


EVERYWHERE = frozenset({"www", "help", "support", "blog", "about", "api", "cdn", "static", "on", "open", "policy"})
PLATFORMS = (
    _Platform("medium", "medium.com", "/feed", frozenset({"miro", "cdn-images-1", "rsci"})),
    _Platform("substack", "substack.com", "/feed", profile_paths=frozenset({"", "archive", "about"})),
    _Platform("wordpress", "wordpress.com", "/feed/", frozenset({"en", "developer", "public-api", "learn", "jetpack"})),
    _Platform("blogger", "blogspot.com", "/feeds/posts/default"),
    _Platform("tumblr", "tumblr.com", "/rss", frozenset({"assets", "media", "64.media", "engineering"})),
    _Platform("ghost", "ghost.io", "/rss/"),
    _Platform("hashnode", "hashnode.dev", "/rss.xml"),
    _Platform("bear", "bearblog.dev", "/feed/", frozenset({"docs", "herman"})),
    _Platform("micro.blog", "micro.blog", "/feed.xml"),
)
MEDIUM_PROFILE = re.compile(r"/(@[\w.-]+)")
MEDIUM_PUBLICATION = re.compile(r"/([a-z0-9][\w-]*)", re.IGNORECASE)
MEDIUM_PAGES = frozenset(
    {"about", "archive", "business", "creators", "earn", "explore-topics", "feed", "gift", "jobs", "latest", "m", "me",
     "membership", "mobile-applications", "new-story", "p", "partner-program", "plans", "policy", "s", "search",
     "signin", "tag", "tags", "topic", "topics", "u", "upgrade", "verified-authors"}
)  # fmt: skip
DEV_PROFILE = re.compile(r"/(\w+)", re.ASCII)
DEV_PAGES = frozenset(
    {"about", "badges", "challenges", "code-of-conduct", "contact", "enter", "faq", "feed", "latest", "listings", "new",
     "pod", "privacy", "readinglist", "search", "settings", "t", "tags", "terms", "top", "videos"}
)  # fmt: skip
OPEN_SUBSTACK = re.compile(r"/pub/([a-z0-9][a-z0-9-]*)")


def platform_of(url: str) -> str:
    """What `Document.platform` says of a web page: a platform's name, else its host; empty for anything else."""
    host = urls.host(url)
    for platform in PLATFORMS:
        if host == platform.domain or host.endswith(f".{platform.domain}"):
            return platform.name
    return host


def feed_of(url: str) -> str | None:
    """The feed of the author whose page at a known platform `url` is; None for any other page, an article included."""
    if not urls.is_web(url):
        return None
    parts = urlsplit(urls.canonical(url))
    host, path = (parts.hostname or "").removeprefix("www."), parts.path.rstrip("/")
    if host == "medium.com":
        return _medium(path)
    if host == "dev.to":
        found = DEV_PROFILE.fullmatch(path)
        return f"https://dev.to/feed/{found[1]}" if found and found[1].lower() not in DEV_PAGES else None
    if host == "open.substack.com":
        found = OPEN_SUBSTACK.fullmatch(path)
        return f"https://{found[1]}.substack.com/feed" if found else None
    for platform in PLATFORMS:
        name, _, domain = host.partition(".")
        if domain == platform.domain and name not in EVERYWHERE | platform.not_authors:
            return f"https://{host}{platform.feed}" if path.strip("/") in platform.profile_paths else None
    return None


def _medium(path: str) -> str | None:
    """An author's profile or a publication. An article's path has one part more."""
    if profile := MEDIUM_PROFILE.fullmatch(path):
        return f"https://medium.com/feed/{profile[1]}"
    publication = MEDIUM_PUBLICATION.fullmatch(path)
    if publication and publication[1].lower() not in MEDIUM_PAGES:
        return f"https://medium.com/feed/{publication[1]}"
    return None
