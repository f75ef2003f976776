"""Canonical URLs: two spellings of one place become one, so that a document has one id."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from twin.errors import InputError

__all__ = ["DEFAULT_PORTS", "canonical", "host", "is_web", "page_location"]

TRACKING = re.compile(r"utm_\w+|fbclid|gclid|dclid|msclkid|mc_[ce]id|igshid|yclid|_hs(?:enc|mi)|ref_src|twclid|si")
DEFAULT_PORTS = {"http": 80, "https": 443}


def is_web(location: str) -> bool:
    """Whether it is an http or https URL."""
    return re.match(r"https?://[^/?#\s]", location, re.IGNORECASE) is not None


def canonical(url: str) -> str:
    """`url` with a lower-case host and without default port, fragment and tracking parameters.

    A fragment that names a page (`#!/page`, `#/page`) stays. A URL of another scheme comes back as it is.

    Raises:
        InputError: It is not a URL, or carries a user name or password.
    """
    if not is_web(url):
        return url
    try:
        parts = urlsplit(url.strip())
        port = parts.port
        name = parts.hostname or ""
    except ValueError:
        raise InputError(f"{url!r} is not a valid URL: check its host and port.") from None
    if parts.username is not None or parts.password is not None:
        raise InputError(f"The URL of {name} carries a user name or password: remove it, as URLs are stored and shown.")
    address = f"[{name}]" if ":" in name else name
    if port and port != DEFAULT_PORTS[parts.scheme]:
        address = f"{address}:{port}"
    fragment = parts.fragment if parts.fragment.startswith(("!", "/")) else ""
    return urlunsplit((parts.scheme, address, parts.path or "/", _without_tracking(parts.query), fragment))


def host(url: str) -> str:
    """The host name of a web URL, without `www.`; empty for anything else."""
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


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


def _without_tracking(query: str) -> str:
    parameters = parse_qsl(query, keep_blank_values=True)
    kept = [(key, value) for key, value in parameters if not TRACKING.fullmatch(key.lower())]
    return query if len(kept) == len(parameters) else urlencode(kept)
