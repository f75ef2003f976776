"""Canonical URLs: two spellings of one place become one, so that a document has one id."""

from __future__ import annotations

import re
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from twin.errors import InputError, SourceFailed, SourceRefused
from twin.text.trackers import query_without_trackers

__all__ = ["canonical", "host", "is_web", "normal", "page_location", "redirect_target"]

DEFAULT_PORTS = {"http": 80, "https": 443}
HOST = re.compile(r"[\w.-]+|[0-9a-f:.]+", re.ASCII)
ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
PATH_SAFE = "%/:@!$&'()*+,;=~[]|"
QUERY_SAFE = PATH_SAFE + "?"


def is_web(location: str) -> bool:
    """Whether it is an http or https URL."""
    return re.match(r"https?://[^/?#\s]", location, re.IGNORECASE) is not None


def canonical(url: str) -> str:
    """`url` as `normal` writes it, without tracking parameters and without a fragment.

    A fragment that names a page (`#!/page`, `#/page`) stays. A URL of another scheme comes back as it is.

    Raises:
        InputError: It is not a URL, or carries a user name or password.
    """
    if not is_web(url):
        return url
    parts = urlsplit(normal(url))
    query = query_without_trackers(parts.query, parts.hostname or "")
    fragment = urlsplit(url).fragment
    kept = quote(fragment, safe=QUERY_SAFE) if fragment.startswith(("!", "/")) else ""
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, kept))


def normal(url: str) -> str:
    """The one spelling of the web URL `url` that asks a server for the same (RFC 3986, section 6.2), without fragment.

    The host in lower case and ASCII, no default port, no dot segments, escapes only where they are needed.

    Raises:
        InputError: It is not a URL, or carries a user name or password.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
        name = _ascii_host(parts.hostname or "")
    except ValueError:
        raise InputError(f"{url!r} is not a valid URL: check its host and port.") from None
    if parts.username is not None or parts.password is not None:
        raise InputError(f"The URL of {name} carries a user name or password: remove it, as URLs are stored and shown.")
    address = f"[{name}]" if ":" in name else name
    if port and port != DEFAULT_PORTS.get(parts.scheme):
        address = f"{address}:{port}"
    path = _without_dots(_escaped(parts.path, PATH_SAFE))
    return urlunsplit((parts.scheme, address, path, _escaped(parts.query, QUERY_SAFE), ""))


def host(url: str) -> str:
    """The host name of a web URL, without `www.`; empty for anything else."""
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def redirect_target(url: str, location: str) -> str:
    """Where `url` redirects to, for a `Location` header as it came, one character a byte.

    Raises:
        SourceFailed: It says nowhere, or what it says is no URL.
        SourceRefused: It is not http or https.
    """
    if not location.strip():
        raise SourceFailed("it redirects, and does not say where to")
    try:
        written = location.encode("latin-1").decode("utf-8")
    except UnicodeError:
        written = location
    try:
        target = urljoin(url, written.strip())
        if is_web(target):
            return normal(target)
    except (InputError, ValueError):
        raise SourceFailed("it redirects to something that is not a valid URL") from None
    raise SourceRefused("it redirects to something that is not http or https")


def page_location(fetched: str, declared: str | None) -> str:
    """Where a page says it belongs (`<link rel="canonical">`), where that can be believed, else where it was fetched.

    Only a place on the same host is believed: another site's page must not take the id of somebody else's document.
    Nor is the front page believed to be what a deeper page belongs to, a common mistake of site templates.
    """
    fetched = canonical(fetched)
    if not declared:
        return fetched
    try:
        location = canonical(urljoin(fetched, declared.strip()))
    except (InputError, ValueError):
        return fetched
    if not is_web(location) or host(location) != host(fetched):
        return fetched
    if urlsplit(location).path == "/" and urlsplit(fetched).path != "/":
        return fetched
    return location


def _ascii_host(name: str) -> str:
    """A host name without its final dot, in the spelling that is looked up (`xn--...`)."""
    name = name.removesuffix(".")
    if not name.isascii():
        import idna

        name = idna.encode(name, uts46=True).decode("ascii")  # an IDNAError is a ValueError
    if not HOST.fullmatch(name):
        raise ValueError(name)
    return name


def _escaped(text: str, safe: str) -> str:
    def one(found: re.Match[str]) -> str:
        character = chr(int(found[1], 16))
        return character if character in UNRESERVED else found[0].upper()

    return ESCAPE.sub(one, quote(text, safe=safe))


def _without_dots(path: str) -> str:
    """RFC 3986, section 5.2.4."""
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            if len(kept) > 1:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    joined = "/".join(kept)
    return joined if joined.startswith("/") else f"/{joined}"
