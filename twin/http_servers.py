"""What stands before every HTTP server of ours, the Dagster webserver included: it answers to known hosts only.

A page in a reader's browser may rebind its own name to this machine's address and then read, as its own, what is served
here. The browser still names that page's host in every request, so a host that is not ours is refused. A request that a
page of another site sends, without reading the answer, tells that site's name as its origin.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

__all__ = ["Hosts", "KnownHosts"]

MISDIRECTED, FORBIDDEN = 421, 403
READING = ("GET", "HEAD", "OPTIONS")
POLICY_VIOLATION = 1008


class Hosts:
    """The hosts that a server answers to: this machine's loopback names, the address it listens on, and `allowed`.

    One that listens on every address is reached under addresses that nobody can list; as no name can be rebound to what
    is no name, it answers to any address. An allowed `*` is every host, `*.example.com` every one below a domain.
    """

    def __init__(self, listening_on: str, allowed: Iterable[str] = ()) -> None:
        self._names = {_plain(name) for name in (listening_on, *allowed)} - {""}
        self._domains = tuple(name[1:] for name in self._names if name.startswith("*."))
        self._any_host = "*" in self._names
        self._any_address = _is(listening_on, "is_unspecified")

    def __contains__(self, host: object) -> bool:
        name = _plain(str(host))
        if self._any_host or name in self._names or name.endswith(self._domains):
            return True
        if name == "localhost" or name.endswith(".localhost") or _is(name, "is_loopback"):
            return True
        return self._any_address and _is_address(name)


class KnownHosts:
    """An ASGI application that passes on what is asked of a known host, and by no page of another one."""

    def __init__(self, app: App, hosts: Hosts) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 421 to an unknown host, 403 to a page of another site that wants something done."""
        refusal = self._refusal(scope) if scope["type"] in ("http", "websocket") else None
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": "unknown host or origin"})
        else:
            await _refuse(send, *refusal)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        named = headers.get(b"host")
        if named is None:
            return None  # HTTP/1.0; no browser sends that
        host = _host_of(f"//{named}")
        if host not in self._hosts:
            return MISDIRECTED, f"This server does not answer to the host {host!r}. If it is yours: TWIN_ALLOWED_HOSTS."
        origin = headers.get(b"origin")
        doing = scope["type"] == "websocket" or scope["method"] not in READING
        if doing and origin is not None and _host_of(origin) != host:
            return FORBIDDEN, "This was sent by a page of another site."
        return None


async def _refuse(send: Send, status: int, message: str) -> None:
    body = message.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _host_of(url: str) -> str:
    """The host in a URL, without port and brackets; empty where there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _plain(name: str) -> str:
    """A host's name as compared: in lower case, without brackets and the final dot."""
    return name.strip().strip("[]").rstrip(".").lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is(name: str, what: str) -> bool:
    """Whether `name` is an address of a kind (`is_loopback`, `is_unspecified`)."""
    return _is_address(name) and bool(getattr(ipaddress.ip_address(name), what))
