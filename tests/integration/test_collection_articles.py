"""Web articles, from a real HTTP server on this machine that behaves well, badly and maliciously."""

from __future__ import annotations

import gzip
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from twin import collection
from twin.errors import SourceFailed
from twin.records import Document, Rejected, Withheld, document_id
from twin.settings import SourceSettings, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CODE = "def f(x):\n    if x:\n\n        return  x < 3"
PAGE = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>On Engines | A Blog</title>
<meta property="og:title" content="On Engines"><meta name="author" content="Ada Lovelace">
<meta property="article:published_time" content="2024-03-02T10:00:00Z">
<link rel="canonical" href="/posts/engines?utm_source=feed#top"></head>
<body><nav><ul><li><a href="/">Home</a></li><li><a href="/about">About us</a></li></ul></nav>
<article><h1>On Engines</h1>
<p>The engine has no pretensions to originate anything, and this paragraph is long enough – “quoted” – to be kept.</p>
<h2>How it works</h2>
<pre><code class="language-python">{CODE.replace("<", "&lt;")}
</code></pre>
<p>It can do whatever we know how to order it to perform, as the code above shows in some detail.</p>
<ul><li>one item</li><li>another item</li></ul></article>
<footer>Imprint</footer></body></html>"""


class Handler(BaseHTTPRequestHandler):
    """One path for each behaviour."""

    protocol_version = "HTTP/1.1"
    seen: dict[str, str]

    def do_GET(self) -> None:
        type(self).seen = dict(self.headers.items())
        path = self.path.split("?")[0]
        behaviours: dict[str, Callable[[], None]] = {
            "/post": lambda: self.page(PAGE.encode()),
            "/latin": lambda: self.page(PAGE.replace("utf-8", "cp1252").encode("cp1252"), charset="cp1252"),
            "/elsewhere": lambda: self.page(PAGE.replace("/posts/engines", "https://bank.example.org/x").encode()),
            "/anonymous": lambda: self.page(PAGE.replace("Ada Lovelace", "").encode()),
            "/script-only": lambda: self.page(b"<html><body><script>render()</script></body></html>"),
            "/moved": lambda: self.redirect("/post"),
            "/to-metadata": lambda: self.redirect("http://169.254.169.254/latest/meta-data/"),
            "/to-file": lambda: self.redirect("file:///etc/passwd"),
            "/loop": lambda: self.redirect("/loop"),
            "/pdf": lambda: self.page(b"%PDF-1.7", content_type="application/pdf"),
            "/bomb": lambda: self.page(gzip.compress(b"<p>" * 20_000_000), encoding="gzip"),
            "/announced": lambda: self.announce(10_000_000_000),
            "/endless": self.endless,
            "/slow-headers": self.slow_headers,
            "/slow-body": self.slow_body,
            "/silent": lambda: time.sleep(3),
            "/gone": lambda: self.send_error(410),
            "/broken": lambda: self.send_error(500),
        }
        behaviours.get(path, lambda: self.send_error(404))()

    def page(
        self, body: bytes, *, content_type: str = "text/html", charset: str | None = None, encoding: str | None = None
    ) -> None:
        self.send_response(200)
        self.send_header("Content-Type", f"{content_type}; charset={charset}" if charset else content_type)
        if encoding:
            self.send_header("Content-Encoding", encoding)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def redirect(self, location: str) -> None:
        self.send_response(302)
        self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def announce(self, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def endless(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Connection", "close")
        self.end_headers()
        self.drip(b"<p>text</p>" * 10_000, pause=0)

    def slow_headers(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        self.drip(b"X-A: b\r\n", pause=0.1)

    def slow_body(self) -> None:
        self.announce(1_000_000)
        self.drip(b"x", pause=0.1)

    def drip(self, block: bytes, pause: float) -> None:
        """Writes until the client has had enough, or for 10 s."""
        until = time.monotonic() + 10
        try:
            while time.monotonic() < until:
                self.wfile.write(block)
                self.wfile.flush()
                time.sleep(pause)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Keeps the test's output clean."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server on a loopback port; its base URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.daemon_threads = True
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://localhost:{httpd.server_address[1]}"
        httpd.shutdown()


def fetch(url: str, author: str | None = None, **changes: object) -> Document | Rejected | Withheld:
    given = {"allow_private_addresses": True, "timeout_seconds": 5.0} | changes
    settings = read(SourceSettings).model_copy(update=given)
    [outcome] = list(collection.look(collection.detect(url, author), settings))
    return outcome


def rejection(url: str, **changes: object) -> Rejected:
    outcome = fetch(url, **changes)  # ty: ignore[invalid-argument-type]
    assert isinstance(outcome, Rejected)
    return outcome


def test_an_article_comes_as_markdown_with_what_the_page_says_of_it(server: str) -> None:
    document = fetch(f"{server}/post?utm_campaign=spring")
    assert isinstance(document, Document)
    assert document.title == "On Engines"
    assert document.author == "Ada Lovelace"
    assert document.published_at == datetime(2024, 3, 2, tzinfo=UTC)
    assert document.language == "en"
    assert document.platform == "localhost"
    assert document.url == f"{server}/posts/engines"
    assert document.id == document_id(document.url)
    assert "## How it works" in document.content
    assert f"```python\n{CODE}\n```" in document.content
    assert "- one item" in document.content
    assert "– “quoted” –" in document.content
    assert "About us" not in document.content
    assert "Imprint" not in document.content


def test_the_server_is_told_who_asks_and_which_host_is_meant(server: str) -> None:
    fetch(f"{server}/post", user_agent="our-twin/1.0 (+https://example.org/contact)")
    assert Handler.seen["User-Agent"] == "our-twin/1.0 (+https://example.org/contact)"
    assert Handler.seen["Host"] == server.removeprefix("http://")


def test_a_declared_encoding_is_used(server: str) -> None:
    document = fetch(f"{server}/latin")
    assert isinstance(document, Document)
    assert "– “quoted” –" in document.content


def test_a_redirect_is_followed(server: str) -> None:
    document = fetch(f"{server}/moved")
    assert isinstance(document, Document)
    assert document.title == "On Engines"


def test_a_page_cannot_take_the_place_of_another_sites_document(server: str) -> None:
    document = fetch(f"{server}/elsewhere")
    assert isinstance(document, Document)
    assert document.url == f"{server}/elsewhere"


def test_a_page_without_an_author_needs_one_named(server: str) -> None:
    assert "--author" in rejection(f"{server}/anonymous").reason
    document = fetch(f"{server}/anonymous", author="Grace Hopper")
    assert isinstance(document, Document)
    assert document.author == "Grace Hopper"


@pytest.mark.parametrize(
    ("path", "refused", "reason"),
    [
        ("/nowhere", False, "404 Not Found"),
        ("/gone", False, "410 Gone"),
        ("/broken", False, "500"),
        ("/loop", False, "redirects in a circle"),
        ("/script-only", False, "reads like an article"),
        ("/pdf", True, "application/pdf, not HTML"),
        ("/to-file", True, "not http or https"),
        ("/announced", True, "too large: it has 10,000,000,000 bytes"),
        ("/endless", True, "too large"),
        ("/bomb", True, "too large"),
    ],
)
def test_what_is_no_article_says_why(server: str, path: str, refused: bool, reason: str) -> None:
    rejected = rejection(f"{server}{path}", max_bytes=1_000_000)
    assert rejected.url == f"{server}{path}"
    assert rejected.refused is refused
    assert reason in rejected.reason


@pytest.mark.parametrize("path", ["/silent", "/slow-headers", "/slow-body"])
def test_a_server_that_takes_too_long_is_left(server: str, path: str) -> None:
    start = time.monotonic()
    rejected = rejection(f"{server}{path}", timeout_seconds=0.7)
    assert time.monotonic() - start < 3
    assert not rejected.refused
    assert "did not come within 0.7 s" in rejected.reason


def test_a_private_address_is_refused(server: str) -> None:
    rejected = rejection(f"{server}/post", allow_private_addresses=False)
    assert rejected.refused
    assert "COLLECTION_ALLOW_PRIVATE_ADDRESSES" in rejected.reason


def test_nobody_listening_and_unknown_hosts_fail_clearly() -> None:
    assert "connection to 127.0.0.1 failed" in rejection("http://127.0.0.1:1/x").reason
    assert "host no-such-host.invalid is not found" in rejection("http://no-such-host.invalid/x").reason


def test_collecting_works_inside_a_running_event_loop(server: str) -> None:
    import asyncio

    async def inside() -> Document | Rejected | Withheld:
        return fetch(f"{server}/post")

    assert isinstance(asyncio.run(inside()), Document)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate for the name `localhost`, signed by itself, in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path / "localhost.pem"
    path.write_bytes(private + signed.public_bytes(pem))
    return path


@pytest.fixture
def https_port(certificate: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.daemon_threads = True
        httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield httpd.server_address[1]
        httpd.shutdown()


def test_certificates_are_checked_against_the_name_though_the_connection_goes_to_the_address(
    certificate: Path, https_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "certificate verify failed" in rejection(f"https://localhost:{https_port}/post").reason
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert isinstance(fetch(f"https://localhost:{https_port}/post"), Document)
    assert "certificate verify failed" in rejection(f"https://127.0.0.1:{https_port}/post").reason


def test_a_tls_connection_serves_no_other_name_at_the_same_address(
    certificate: Path, https_port: int, monkeypatch: pytest.MonkeyPatch, fetchers: Any
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    fetcher = fetchers(attempts=1)
    assert fetcher.get(f"https://localhost:{https_port}/post").body == PAGE.encode()
    with pytest.raises(SourceFailed, match="certificate verify failed"):
        fetcher.get(f"https://other.example:{https_port}/post")
    assert fetcher.get(f"https://localhost:{https_port}/post").body == PAGE.encode()
