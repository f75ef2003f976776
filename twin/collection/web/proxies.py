"""Which way leads out to pages and repositories: directly, or through a proxy (COLLECTION_PROXY)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import httpx

from twin.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ENVIRONMENT", "NONE", "Proxy", "environment", "proxy_for"]

ENVIRONMENT = "environment"
NONE = "none"
VARIABLES = ("http_proxy", "https_proxy", "all_proxy")


class Proxy(NamedTuple):
    """A proxy, with what is said to it alone."""

    url: str
    """Without its credentials, so that it may be shown."""
    auth: tuple[bytes, bytes] | None

    def __repr__(self) -> str:
        return f"Proxy({self.url!r})"


def proxy_for(url: str, setting: str) -> Proxy | None:
    """The proxy through which `url` is asked for; None for the direct way. NO_PROXY counts always.

    Raises:
        SettingsError: It is no HTTP proxy.
    """
    parts = urlsplit(url)
    if setting == NONE or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    if setting != ENVIRONMENT:
        return _parsed(setting, "COLLECTION_PROXY")
    named = getproxies_environment()
    for scheme in (parts.scheme, "all"):
        if found := named.get(scheme):
            return _parsed(found, f"{scheme.upper()}_PROXY")
    return None


def environment(setting: str, inherited: Mapping[str, str]) -> dict[str, str]:
    """`inherited` with the proxy that the setting means, for a program such as git that reads the variables itself."""
    if setting == ENVIRONMENT:
        return dict(inherited)
    kept = {name: value for name, value in inherited.items() if name.lower() not in VARIABLES}
    return kept if setting == NONE else kept | dict.fromkeys(VARIABLES, setting)


def _parsed(text: str, variable: str) -> Proxy:
    try:
        parsed = httpx.Proxy(text if "://" in text else f"http://{text}")
    except (ValueError, httpx.InvalidURL) as error:
        raise SettingsError(f"{variable} is no proxy's URL: {error}") from None
    if parsed.url.scheme not in ("http", "https"):
        raise SettingsError(
            f"{variable} names a {parsed.url.scheme} proxy; pages are collected through HTTP proxies only. Set "
            f"COLLECTION_PROXY to one, or to `{NONE}`."
        )
    return Proxy(str(parsed.url), parsed.raw_auth)
