"""Every HTTP client of the platform: one kind for what is on this machine, one for what is outside.

What is ours is never asked through a proxy, whatever its address is called: the proxy could not reach it, and would
learn questions and tokens. What is outside is asked as the environment says: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY,
NO_PROXY, and the certificates of SSL_CERT_FILE, SSL_CERT_DIR or REQUESTS_CA_BUNDLE. Pages of sources are not asked from
here, but by `twin.collection.web`, which checks every address.
"""

from __future__ import annotations

import functools
import ipaddress
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from twin import environment
from twin.errors import SettingsError
from twin.settings import StackSettings, read

if TYPE_CHECKING:
    import ssl

__all__ = ["async_client", "client", "is_ours", "request", "spare_proxy"]

HOSTS_FILE = Path("/etc/hosts")


def client(url: str, **options: Any) -> httpx.Client:
    """A client of the server at `url`; `options` are httpx's.

    Raises:
        SettingsError: The environment names a proxy that cannot be used.
    """
    return _made(httpx.Client, url, options)


def async_client(url: str, **options: Any) -> httpx.AsyncClient:
    """An asynchronous client of the server at `url`; see `client`."""
    return _made(httpx.AsyncClient, url, options)


def request(method: str, url: str, *, timeout: httpx.Timeout | float, **options: Any) -> httpx.Response:
    """One request by a client of its own, as `httpx.request` makes it."""
    with client(url, timeout=timeout) as once:
        return once.request(method, url, **options)


def is_ours(url: str) -> bool:
    """Whether `url` leads to this machine. Knows every address and name that the machine itself knows; asks no DNS."""
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host.endswith(".localhost") or host in _own_names()
    return _is_own(address)


def spare_proxy(url: str) -> None:
    """For the SDKs, which make their own clients: no proxy is asked for the server at `url` when it is ours."""
    if is_ours(url):
        environment.add_no_proxy(urlsplit(url).hostname or "")


def _made(kind: type[Any], url: str, options: dict[str, Any]) -> Any:
    if is_ours(url):
        return kind(trust_env=False, verify=_certificates(), **options)
    try:
        return kind(verify=_certificates(), **options)
    except (ValueError, ImportError) as error:
        raise SettingsError(
            f"The proxy that the environment names for {url} cannot be used: {error} See HTTPS_PROXY, HTTP_PROXY and "
            "ALL_PROXY; NO_PROXY names hosts that need none."
        ) from error


@functools.cache
def _certificates() -> ssl.SSLContext:
    """The certificates to trust, read once: that takes 20 ms, more than a request on this machine."""
    return httpx.create_ssl_context()


def _own_names() -> set[str]:
    return {"localhost", socket.gethostname().lower(), read(StackSettings).host.lower(), *_names_in_hosts_file()}


@functools.cache
def _names_in_hosts_file() -> frozenset[str]:
    """The names that this machine's own table gives to its own addresses."""
    try:
        lines = HOSTS_FILE.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    names: set[str] = set()
    for line in lines:
        address, *others = line.partition("#")[0].split() or [""]
        try:
            own = _is_own(ipaddress.ip_address(address.partition("%")[0]))
        except ValueError:
            continue
        if own:
            names.update(name.lower() for name in others)
    return frozenset(names)


def _is_own(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_loopback or mapped.is_unspecified or str(mapped) in _interfaces()


@functools.cache
def _interfaces() -> frozenset[str]:
    """The addresses of this machine's network interfaces."""
    import psutil

    found = (address.address.partition("%")[0] for addresses in psutil.net_if_addrs().values() for address in addresses)
    return frozenset(found)
