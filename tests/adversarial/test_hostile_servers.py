"""Hostile servers: each costs the run a recorded reason, and neither its time, its memory nor a look inside."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twin.collection.web import urls
from twin.collection.web.robots import Rules
from twin.errors import CollectionError, InputError, SourceFailed, SourceRefused

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = b"<!doctype html><html><body><p>A page.</p></body></html>"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
ONCE: dict[str, Any] = {"attempts": 1}


def drip(first: bytes, block: bytes, pause: float = 0.02) -> Callable[[socket.socket, object], None]:
    """Sends `first`, then `block` again and again until the client has had enough, for 10 s at most."""

    def send(connection: socket.socket, _: object) -> None:
        until = time.monotonic() + 10
        connection.sendall(first)
        while time.monotonic() < until:
            connection.sendall(block)
            time.sleep(pause)

    return send


def hang_up(data: bytes, *, reset: bool = False) -> Callable[[socket.socket, object], None]:
    def send(connection: socket.socket, _: object) -> None:
        connection.sendall(data)
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.shutdown(socket.SHUT_WR) if not reset else connection.close()

    return send


SLOW = {
    "silence": drip(b"", b""),
    "headers": drip(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
    "one header": drip(b"HTTP/1.1 200 OK\r\nX-A: ", b"b"),
    "body": drip(OK + b"Content-Length: 1000000\r\n\r\n", b"x"),
    "chunks": drip(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "empty blocks of gzip": drip(OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10], b"\0\0\0\xff\xff"),
    "informational answers": drip(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
}


@pytest.mark.parametrize("name", SLOW)
@pytest.mark.parametrize("path", ["/p", "/robots.txt"])
def test_a_slow_server_costs_one_time_limit(web: Any, fetchers: Any, name: str, path: str) -> None:
    web.routes |= {"/p": web.answer(PAGE), path: SLOW[name]}
    began = time.monotonic()
    with pytest.raises(SourceFailed, match=r"it did not come within 0\.5 s"):
        fetchers(timeout_seconds=0.5).get(web.url("/p"))
    assert time.monotonic() - began < 3


def test_slow_redirects_share_one_time_limit(web: Any, fetchers: Any) -> None:
    def slowly(connection: socket.socket, asked: Any) -> None:
        time.sleep(0.3)
        connection.sendall(web.answer(b"", "302 Found", f"Location: {asked.path}x"))

    web.routes = {f"/{'x' * number}": slowly for number in range(9)}
    with pytest.raises(SourceFailed, match="did not come within 1 s"):
        fetchers(timeout_seconds=1.0).get(web.url("/"))
    assert len(web.paths()) <= 5


def bomb(encoding: str, wbits: int) -> bytes:
    """50 MB in 50 kB, made without ever having them all."""
    stream = zlib.compressobj(wbits=wbits)
    body = b"".join(stream.compress(b" " * 1_000_000) for _ in range(50)) + stream.flush()
    return OK + f"Content-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


BOMBS = {
    "gzip": lambda: bomb("gzip", 31),
    "x-gzip": lambda: bomb("X-GZIP", 31),
    "zlib": lambda: bomb("deflate", 15),
    "raw deflate": lambda: bomb("deflate", -15),
    "chunks": lambda: drip(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65_536 + b"\r\n", 0),
    "body": lambda: drip(OK + b"\r\n", b"x" * 65_536, 0),
    "announced": lambda: OK + b"Content-Length: 10000000000\r\n\r\n",
    "nothing for something": lambda: drip(
        OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10], b"\0\0\0\xff\xff" * 20_000, 0
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_grows_beyond_the_limit_is_refused_while_it_is_read(web: Any, fetchers: Any, name: str) -> None:
    web.routes["/p"] = BOMBS[name]()
    fetcher = fetchers(max_bytes=1_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(SourceRefused, match=r"too large.*COLLECTION_MAX_BYTES"):
            fetcher.get(web.url("/p"))
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("gzip", gzip.compress), ("gzip", zlib.compress), ("deflate", zlib.compress), ("deflate", raw_deflate)],
)
def test_honest_compression_is_read(web: Any, fetchers: Any, encoding: str, compress: Any) -> None:
    text = PAGE + b"".join(b"%d " % number for number in range(100_000))
    web.routes["/p"] = web.answer(compress(text), "200 OK", f"Content-Encoding: {encoding}")
    assert fetchers().get(web.url("/p")).body == text


BROKEN = {
    "no answer": (hang_up(b""), "disconnected without sending a response"),
    "not HTTP": (hang_up(b"SSH-2.0-OpenSSH_9.2\r\n"), "connection to .* failed"),
    "half a header": (hang_up(b"HTTP/1.1 200 OK\r\nContent-Ty"), "connection to .* failed"),
    "header without a colon": (hang_up(b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n"), "connection to .* failed"),
    "NUL in a header": (hang_up(OK + b"X: a\0b\r\n\r\n"), "connection to .* failed"),
    "megabytes of headers": (hang_up(OK + b"X: " + b"y" * 3_000_000), "connection to .* failed"),
    "two lengths": (hang_up(OK + b"Content-Length: 5\r\nContent-Length: 9\r\n\r\nhello"), "connection to .* failed"),
    "negative length": (hang_up(OK + b"Content-Length: -5\r\n\r\nhello"), "connection to .* failed"),
    "length that is no number": (hang_up(OK + b"Content-Length: \xb2\r\n\r\nhello"), "connection to .* failed"),
    "shorter than it says": (hang_up(OK + b"Content-Length: 5000\r\n\r\nhello"), "connection to .* failed"),
    "reset amid the body": (hang_up(OK + b"Content-Length: 5000\r\n\r\nhello", reset=True), "connection to .* failed"),
    "broken chunks": (hang_up(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello"), "connection to .* failed"),
    "gzip that is none": (hang_up(OK + b"Content-Encoding: gzip\r\n\r\nhello"), "not compressed as it says"),
    "gzip that breaks off": (
        hang_up(OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(PAGE * 99)[:60]),
        "its compressed body breaks off",
    ),
    "an encoding nobody asked for": (hang_up(OK + b"Content-Encoding: br\r\n\r\nhello"), "'br' was not asked for"),
    "two encodings": (hang_up(OK + b"Content-Encoding: gzip, gzip\r\n\r\nhello"), "was not asked for"),
    "no type, no HTML": (hang_up(b"HTTP/1.1 200 OK\r\n\r\nhello"), "does not begin like HTML"),
    "switching protocols": (hang_up(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"), "connection to .* failed"),
    "a redirect to nowhere": (hang_up(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"), "does not say where to"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_has_a_reason(web: Any, fetchers: Any, name: str) -> None:
    web.routes["/p"], reason = BROKEN[name]
    began = time.monotonic()
    with pytest.raises(CollectionError, match=reason):
        fetchers(**ONCE).get(web.url("/p"))
    assert time.monotonic() - began < 3


def test_a_connection_that_breaks_once_is_made_again(web: Any, fetchers: Any) -> None:
    web.routes["/p"] = [hang_up(OK + b"Content-Length: 5000\r\n\r\nhello", reset=True), web.answer(PAGE)]
    assert fetchers().get(web.url("/p")).body == PAGE


def test_more_than_was_announced_does_not_reach_the_next_page(web: Any, fetchers: Any) -> None:
    web.routes["/p"] = web.answer(PAGE) + web.answer(b"<html>smuggled</html>")
    web.routes["/q"] = web.answer(b"<html>mine</html>")
    fetcher = fetchers()
    assert fetcher.get(web.url("/p")).body == PAGE
    for _ in range(2):
        assert fetcher.get(web.url("/q")).body == b"<html>mine</html>"


TARGETS = [
    "http://169.254.169.254/latest/meta-data/",
    "http://127.0.0.1/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://0.0.0.0/",
    "http://localhost./",
    "http://innocent.example/",
    "//10.0.0.1/",
    "https://192.168.1.1:8443/",
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("path", ["/p", "/robots.txt"])
def test_no_redirect_leads_inside(web: Any, monkeypatch: pytest.MonkeyPatch, target: str, path: str) -> None:
    """The one host that may be reached is the test's own; everything else is resolved and judged as in production."""
    from twin.collection.web import addresses
    from twin.collection.web.fetch import Fetcher
    from twin.settings import SourceSettings, read

    async def resolve(host: str, port: int) -> list[str]:
        if host == "innocent.example":
            return ["93.184.216.34", "127.0.0.1"]
        return ["127.0.0.1"] if host == "public.example" else await addresses.lookup(host, port)

    def check(host: str, found: list[str], *, allow_private: bool) -> list[str]:
        return found if host == "public.example" else judge(host, found, allow_private=allow_private)

    judge = addresses.check
    monkeypatch.setattr(addresses, "check", check)
    web.routes |= {"/p": web.answer(PAGE), path: web.answer(b"", "302 Found", f"Location: {target}")}
    fetcher = Fetcher(read(SourceSettings), resolver=resolve)
    with pytest.raises(SourceRefused, match="not on the public internet"):
        fetcher.get(web.url("/p", "public.example"))
    fetcher.close()


def test_a_name_that_leads_inside_at_its_second_look_gains_nothing(fetchers: Any, web: Any) -> None:
    """DNS rebinding: what was checked is what is connected to, for each connection."""
    looks = iter([["93.184.216.34"], ["127.0.0.1"]])

    async def resolve(host: str, port: int) -> list[str]:
        return next(looks)

    from twin.collection.web.fetch import Fetcher
    from twin.settings import SourceSettings, read

    fetcher = Fetcher(read(SourceSettings).model_copy(update={"timeout_seconds": 0.5} | ONCE), resolver=resolve)
    with pytest.raises(CollectionError, match=r"did not come within|failed"):
        fetcher.get(web.url("/p", "rebinding.example"))
    fetcher.close()
    assert web.connections == 0


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://a.example/x", "javascript:alert(1)", "data:text/html,x"]
)
def test_only_http_is_followed(web: Any, fetchers: Any, target: str) -> None:
    web.routes["/p"] = web.answer(b"", "302 Found", f"Location: {target}")
    with pytest.raises(SourceRefused, match="not http or https"):
        fetchers().get(web.url("/p"))


@pytest.mark.parametrize(
    "target", ["http://", "http://[broken", "http://a:b@c.example/", "http://a.example:99999/", "http://%31/"]
)
def test_a_redirect_to_what_is_no_url_has_a_reason(web: Any, fetchers: Any, target: str) -> None:
    web.routes["/p"] = web.answer(b"", "302 Found", f"Location: {target}")
    with pytest.raises(CollectionError, match=r"not a valid URL|not http or https|in a circle"):
        fetchers().get(web.url("/p"))


def test_a_circle_of_redirects_is_told_as_one(web: Any, fetchers: Any) -> None:
    web.routes["/a"] = web.answer(b"", "302 Found", "Location: /b#1")
    web.routes["/b"] = web.answer(b"", "302 Found", "Location: /a#2")
    with pytest.raises(SourceFailed, match=r"redirects in a circle, by way of http://127\.0\.0\.1:\d+/a"):
        fetchers().get(web.url("/a"))


ROBOTS = {
    "many groups": "".join(f"User-agent: a{n}\n" for n in range(12_000))
    + "".join(f"Disallow: /{n}\n" for n in range(20_000)),
    "wildcards": "User-agent: *\n" + "".join(f"Disallow: /*a*a*a*b{n}$\n" for n in range(20_000)),
    "one pattern": "User-agent: *\nDisallow: /" + "*a" * 250_000 + "b",
    "one line": "User-agent: " + "x" * 500_000,
    "spaces": "User-agent" + " " * 500_000,
    "blank lines": "\n" * 500_000,
}


@pytest.mark.parametrize("name", ROBOTS)
def test_a_robots_txt_that_is_hard_to_read_holds_nobody_up(web: Any, fetchers: Any, name: str) -> None:
    web.routes |= {"/p": web.answer(PAGE), "/robots.txt": web.answer(ROBOTS[name].encode(), type="text/plain")}
    began = time.process_time()
    assert fetchers().get(web.url("/p")).body == PAGE
    assert time.process_time() - began < 5


def test_a_robots_txt_of_ten_megabytes_is_read_as_far_as_the_standard_asks(web: Any, fetchers: Any) -> None:
    rules = b"User-agent: *\nDisallow: /early\n" + b"# comment\n" * 60_000 + b"Disallow: /late\n" + b"#\n" * 5_000_000
    web.routes |= {"/robots.txt": web.answer(rules, type="text/plain"), "/late": web.answer(PAGE)}
    fetcher = fetchers()
    with pytest.raises(SourceRefused, match="does not allow"):
        fetcher.get(web.url("/early"))
    assert fetcher.get(web.url("/late")).body == PAGE


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=500) | st.text(max_size=500).map(str.encode), url=st.text(max_size=50))
def test_any_robots_txt_is_rules(data: bytes, url: str) -> None:
    import asyncio

    rules = Rules(data.decode("utf-8", "replace"), "llm-twin/0.1")
    assert rules.delay >= 0
    assert asyncio.run(rules.allow(f"http://a.example/{url}")) in (True, False)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answer=st.binary(max_size=400) | st.binary(max_size=300).map(lambda rest: OK + rest))
def test_any_bytes_of_a_server_are_a_page_or_a_reason(web: Any, fetchers: Any, answer: bytes) -> None:
    web.routes["/p"] = hang_up(answer)
    fetcher = fetchers(timeout_seconds=2.0, **ONCE)
    try:
        fetcher.get(web.url("/p"))
    except CollectionError as error:
        reason = str(error)
    else:
        reason = "it is a page"
    fetcher.close()
    assert reason


@settings(max_examples=300, deadline=None)
@given(url=st.text(max_size=60).map("http://a.example/".__add__) | st.text(max_size=40).map("https://".__add__))
def test_a_canonical_url_is_canonical_and_ascii(url: str) -> None:
    try:
        canonical = urls.canonical(url)
    except InputError:
        return
    if urls.is_web(url):
        assert canonical.isascii()
        assert urls.canonical(canonical) == canonical


def test_a_storm_of_429_ends(web: Any, fetchers: Any) -> None:
    web.routes = {f"/{number}": web.answer(b"", "429 Too Many", "Retry-After: 1") for number in range(500)}
    fetcher = fetchers()
    for number in range(500):
        with pytest.raises(SourceFailed, match="429 Too Many"):
            fetcher.get(web.url(f"/{number}"))
    assert len(web.asked) < 20
    assert sum(fetchers.pauses) < 60


def test_one_hostile_host_does_not_slow_the_others_down(web: Any, fetchers: Any) -> None:
    web.routes["/slow"] = SLOW["body"]
    web.routes["/fast"] = web.answer(PAGE)
    fetcher = fetchers(timeout_seconds=5.0, max_connections=8)

    def get_slowly() -> None:
        with pytest.raises(SourceFailed, match=r"run was stopped"):
            fetcher.get(web.url("/slow", "slow.example"))

    stuck = threading.Thread(target=get_slowly)
    stuck.start()
    began = time.monotonic()
    for number in range(20):
        assert fetcher.get(web.url("/fast", f"h{number}.example")).body == PAGE
    assert time.monotonic() - began < 4
    fetcher.close()
    stuck.join(5)
    assert not stuck.is_alive()
