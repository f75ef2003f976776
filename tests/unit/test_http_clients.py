"""What is ours is never asked through a proxy, whatever it is called; what is outside is, as the environment says."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import psutil
import pytest

from twin import environment, http_clients
from twin.errors import SettingsError, TwinError
from twin.monitoring.delivery import silence
from twin.processes import answers
from twin.registry.comet import CometRegistry
from twin.registry.review import ReviewClient
from twin.serving.client import ChatClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


ANY = "0.0.0.0"  # noqa: S104 - an address that is asked, not bound


class Recorder(ThreadingHTTPServer):
    """A server, or a proxy, that refuses whatever it is asked and remembers it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), _handler(self.asked))
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


def _handler(asked: list[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def refuse(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.send_error(403)

        do_GET = do_POST = do_CONNECT = refuse  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    return Handler


@pytest.fixture(autouse=True)
def _same_environment_afterwards() -> Iterator[None]:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def recorder() -> Iterator[Callable[[], Recorder]]:
    made: list[Recorder] = []

    def make() -> Recorder:
        made.append(Recorder())
        return made[-1]

    yield make
    for server in made:
        server.shutdown()
        server.server_close()


@pytest.fixture
def proxy(recorder: Callable[[], Recorder], monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """The proxy that the environment names for everything."""
    proxy = recorder()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv(name.lower(), proxy.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    return proxy


def interface() -> str:
    """An IPv4 address of this machine; loopback where it has no other."""
    found = [a.address for addresses in psutil.net_if_addrs().values() for a in addresses if a.family == socket.AF_INET]
    return next((address for address in found if not address.startswith("127.")), "127.0.0.1")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.8.9.10", "localhost", "LOCALHOST", "twin.localhost", ANY, "[::1]", "[::]",
     "[::ffff:127.0.0.1]", socket.gethostname(), interface(), "twin.internal"],
)  # fmt: skip
def test_every_name_of_this_machine_is_ours(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIN_HOST", "twin.internal")
    assert http_clients.is_ours(f"http://{host}:8000/rag")


@pytest.mark.parametrize("host", ["example.com", "www.comet.com", "192.0.2.7", "[2001:db8::1]", "notlocalhost"])
def test_what_is_elsewhere_is_outside(host: str) -> None:
    assert not http_clients.is_ours(f"https://{host}/v1")


def test_no_client_of_ours_asks_the_proxy_for_our_own_servers(
    recorder: Callable[[], Recorder], proxy: Recorder
) -> None:
    own = recorder()
    asks: list[Callable[[], object]] = [
        lambda: answers(own.url),
        lambda: silence(own.url),
        lambda: ReviewClient(own.url, "token").approve("llm-twin", "1.0.0"),
        lambda: CometRegistry(own.url + "/comet/", "key", "w").versions("llm-twin"),
        lambda: ChatClient(own.url).complete([{"role": "user", "content": "a secret question"}], max_tokens=1),
        lambda: http_clients.request("GET", own.url.replace("127.0.0.1", "localhost"), timeout=5),
    ]
    for number, ask in enumerate(asks, start=1):
        with contextlib.suppress(TwinError):  # the server refuses; whom it was asked through is what counts
            ask()
        assert len(own.asked) == number
    assert proxy.asked == []


def test_what_is_outside_is_asked_through_the_proxy_unless_no_proxy_names_it(
    proxy: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert http_clients.request("GET", "http://models.example/v1/models", timeout=5).status_code == 403
    assert "does not answer" in silence("https://opik.example/api")
    assert proxy.asked == ["GET http://models.example/v1/models", "CONNECT opik.example:443"]
    monkeypatch.setenv("NO_PROXY", "models.invalid")
    monkeypatch.setenv("no_proxy", "models.invalid")
    assert "does not answer" in silence("http://models.invalid/api")
    assert len(proxy.asked) == 2


def test_a_proxy_that_cannot_be_used_is_a_setting_to_correct(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "gopher://proxy.example:70")
    with pytest.raises(SettingsError, match="ALL_PROXY"):
        http_clients.client("https://models.example/v1")
    http_clients.client("http://127.0.0.1:8000").close()


def test_libraries_with_clients_of_their_own_spare_the_proxy_too(
    proxy: Recorder, recorder: Callable[[], Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    import requests

    monkeypatch.setenv("NO_PROXY", "corp.example")
    environment.prepare()
    own = recorder()
    for host in ("127.0.0.1", "localhost"):
        requests.get(own.url.replace("127.0.0.1", host), timeout=5)
    assert len(own.asked) == 2
    assert proxy.asked == []
    http_clients.spare_proxy("http://other.localhost:1/")
    http_clients.spare_proxy("https://www.comet.com/")
    hosts = os.environ["NO_PROXY"].split(",")
    assert {"corp.example", "::1", ANY, "other.localhost"} <= set(hosts)
    assert "www.comet.com" not in hosts


def test_one_bundle_of_certificates_serves_every_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "GIT_SSL_CAINFO"):
        monkeypatch.delenv(name, raising=False)
    bundle = ssl.get_default_verify_paths().openssl_cafile
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    environment.prepare()
    assert {os.environ[name] for name in ("SSL_CERT_FILE", "AWS_CA_BUNDLE", "GIT_SSL_CAINFO")} == {bundle}
