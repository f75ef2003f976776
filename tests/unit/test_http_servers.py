"""Which hosts a server of ours answers to, and what it does when asked under another."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from twin.http_servers import Hosts, KnownHosts

if TYPE_CHECKING:
    from collections.abc import MutableMapping


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST.", "twin.localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]"]
)
def test_this_machines_own_names_are_known(host: str) -> None:
    assert host in Hosts("127.0.0.1")


@pytest.mark.parametrize("host", ["evil.test", "localhost.evil.test", "notlocalhost", "192.168.0.7", "8.8.8.8", ""])
def test_no_other_is_known_to_a_server_on_loopback(host: str) -> None:
    assert host not in Hosts("127.0.0.1")


def test_the_address_it_listens_on_is_known() -> None:
    assert "192.168.0.7" in Hosts("192.168.0.7")
    assert "twin.example.com" in Hosts("twin.example.com")
    assert "192.168.0.8" not in Hosts("192.168.0.7")


@pytest.mark.parametrize("everywhere", ["0.0.0.0", "::"])  # noqa: S104
def test_one_that_listens_everywhere_is_known_by_any_address_and_by_no_name(everywhere: str) -> None:
    assert "192.168.0.7" in Hosts(everywhere)
    assert "2001:db8::1" in Hosts(everywhere)
    assert "evil.test" not in Hosts(everywhere)


def test_names_can_be_allowed() -> None:
    hosts = Hosts("127.0.0.1", ["twin.example.com", " *.Example.org ", ""])
    assert {"twin.example.com", "TWIN.example.com", "a.example.org", "a.b.example.org"} <= Known(hosts)
    assert not {"example.org", "evilexample.org", "www.example.com", ""} & Known(hosts)
    assert "anything.test" in Hosts("127.0.0.1", ["*"])


class Known(set[str]):
    """The names of a test that are known."""

    def __init__(self, hosts: Hosts) -> None:
        names = ["twin.example.com", "TWIN.example.com", "a.example.org", "a.b.example.org", "example.org"]
        super().__init__(name for name in [*names, "evilexample.org", "www.example.com", ""] if name in hosts)


def status_of(method: str = "GET", kind: str = "http", **headers: str) -> int | str:
    """What becomes of a request to a server on loopback; 200 when it reached the application."""
    sent: list[MutableMapping[str, Any]] = []

    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    named = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": kind, "method": method, "headers": named}
    asyncio.run(KnownHosts(application, Hosts("127.0.0.1"))(scope, receive, send))
    return sent[0].get("status", sent[0]["type"])


def test_an_unknown_host_is_refused() -> None:
    assert status_of(host="127.0.0.1:8001") == 200
    assert status_of(host="[::1]:8001") == 200
    assert status_of(host="evil.test:8001") == 421
    assert status_of(host="[::1") == 421
    assert status_of() == 200  # HTTP/1.0, which no browser speaks


def test_what_another_site_wants_done_is_refused() -> None:
    assert status_of("POST", host="localhost:8001", origin="http://localhost:8001") == 200
    assert status_of("POST", host="localhost:8001") == 200
    assert status_of("POST", host="localhost:8001", origin="http://evil.test") == 403
    assert status_of("DELETE", host="localhost:8001", origin="null") == 403
    assert status_of("GET", host="localhost:8001", origin="http://evil.test") == 200


def test_a_websocket_is_opened_for_our_own_pages_only() -> None:
    assert status_of(kind="websocket", host="localhost:3000", origin="http://localhost:3000") == 200
    assert status_of(kind="websocket", host="localhost:3000", origin="http://evil.test") == "websocket.close"
    assert status_of(kind="websocket", host="evil.test:3000", origin="http://evil.test:3000") == "websocket.close"
