"""Pages and repositories through a proxy: which one, what is checked all the same, and what is said of it."""

from __future__ import annotations

import socket
import threading
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from twin.collection.web import proxies
from twin.collection.web.proxies import proxy_for
from twin.errors import SettingsError, SourceFailed, SourceRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class Proxy(ThreadingHTTPServer):
    """Gives one page for every http address and leads to no https one."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        super().__init__(("127.0.0.1", 0), _handler(self.asked))
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


def _handler(asked: list[tuple[str, str | None]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((f"GET {self.path}", self.headers.get("Proxy-Authorization")))
            is_page = not self.path.endswith("robots.txt")
            self.send_response(200 if is_page else 404)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"found")

        def do_CONNECT(self) -> None:
            asked.append((f"CONNECT {self.path}", self.headers.get("Proxy-Authorization")))
            self.send_error(403)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    return Handler


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    server = Proxy()
    yield server
    server.shutdown()
    server.server_close()


def test_the_setting_the_environment_and_no_proxy_say_which_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    page = "https://blog.example/post"
    assert proxy_for(page, "environment") is None
    monkeypatch.setenv("HTTPS_PROXY", "http://ada:secret@proxy.example:3128")
    found = proxy_for(page, "environment")
    assert found is not None
    assert (found.url, found.auth) == ("http://proxy.example:3128", (b"ada", b"secret"))
    assert "secret" not in repr(found)
    assert proxy_for("http://blog.example/post", "environment") is None, "HTTPS_PROXY is for https"
    assert proxy_for(page, "none") is None
    other = proxy_for(page, "http://other.example:8080")
    assert other is not None
    assert other.url == "http://other.example:8080"
    monkeypatch.setenv("NO_PROXY", ".example")
    assert proxy_for(page, "environment") is None
    assert proxy_for(page, "http://other.example:8080") is None


@pytest.mark.parametrize("value", ["socks5://proxy.example:1080", "ftp://proxy.example"])
def test_what_is_no_http_proxy_is_a_setting_to_correct(value: str) -> None:
    with pytest.raises(SettingsError, match="COLLECTION_PROXY"):
        proxy_for("https://blog.example/post", value)


def test_git_goes_the_same_way() -> None:
    inherited = {"HTTPS_PROXY": "http://a:1", "https_proxy": "http://a:1", "PATH": "/bin"}
    assert proxies.environment("environment", inherited) == inherited
    assert proxies.environment("none", inherited) == {"PATH": "/bin"}
    assert proxies.environment("http://b:2", inherited) == {
        "PATH": "/bin",
        **dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://b:2"),
    }


def test_a_page_whose_name_only_the_proxy_knows_is_fetched_through_it(fetchers, proxy: Proxy) -> None:
    async def unknown(host: str, port: int) -> list[str]:
        raise SourceFailed(f"the host {host} is not found")

    with_password = proxy.url.replace("//", "//ada:secret@")
    fetcher = fetchers(proxy=with_password, allow_private_addresses=False)
    fetcher._asker._transport._network._resolver = unknown
    page = fetcher.get("http://only-there.example/a")
    assert page is not None
    assert page.body == b"found"
    basic = "Basic " + b64encode(b"ada:secret").decode()
    assert ("GET http://only-there.example/a", basic) in proxy.asked


def test_an_address_that_is_private_from_here_is_refused_before_the_proxy_is_asked(fetchers, proxy: Proxy) -> None:
    fetchers.addresses["inside.example"] = ["10.0.0.7"]
    fetcher = fetchers(proxy=proxy.url, allow_private_addresses=False)
    with pytest.raises(SourceRefused, match=r"10\.0\.0\.7"):
        fetcher.get("http://inside.example/a")
    assert proxy.asked == []


def test_a_proxy_that_does_not_let_us_out_is_named(fetchers, proxy: Proxy) -> None:
    fetcher = fetchers(proxy=proxy.url, attempts=1)
    with pytest.raises(SourceFailed, match=rf"the proxy {proxy.url} does not lead to blog.example: 403"):
        fetcher.get("https://blog.example/a")
    with socket.create_server(("127.0.0.1", 0)) as gone:
        nobody = f"http://127.0.0.1:{gone.getsockname()[1]}"
    with pytest.raises(SourceFailed, match=f"through the proxy {nobody} failed"):
        fetchers(proxy=nobody, attempts=1).get("https://blog.example/a")
