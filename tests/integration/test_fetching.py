"""The fetcher, against a real server on this machine: what it sends, when it asks, and what it makes of the answers."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest

from twin.collection.web.fetch import ANY_TYPE
from twin.errors import SourceFailed, SourceGone, SourceRefused
from twin.records import Visit

if TYPE_CHECKING:
    from socket import socket

    from twin.collection.web.fetch import Fetched, Fetcher

PAGE = b"<!doctype html><html><body><p>A page.</p></body></html>"


def visit_of(url: str, fetched: Fetched) -> Visit:
    return Visit(
        url=url,
        reader="test",
        documents=[fetched.url],
        etag=fetched.etag,
        last_modified=fetched.last_modified,
        digest=fetched.digest,
    )


def got(fetcher: Fetcher, url: str, **more: Any) -> Fetched:
    fetched = fetcher.get(url, **more)
    assert fetched is not None
    return fetched


def test_what_was_fetched_says_what_the_server_said(web: Any, fetchers: Any) -> None:
    date = formatdate(1_700_000_000, usegmt=True)
    web.routes["/p"] = web.answer(
        PAGE, "200 OK", 'ETag: W/"1"', f"Last-Modified: {date}", type='Text/HTML; x=y; charset="UTF-8"'
    )
    fetched = got(fetchers(user_agent="our-twin/1.0 (+https://example.org/us)"), web.url("/p", "a.example"))
    assert fetched.body == PAGE
    assert (fetched.media_type, fetched.charset) == ("text/html", "utf-8")
    assert (fetched.etag, fetched.last_modified) == ('W/"1"', date)
    assert fetched.url == web.url("/p", "a.example")
    headers = web.asked[-1].headers
    assert headers["User-Agent"] == "our-twin/1.0 (+https://example.org/us)"
    assert headers["Host"] == f"a.example:{web.port}"
    assert headers["Accept"] == "text/html, application/xhtml+xml"


def test_what_did_not_change_costs_one_request_and_no_body(web: Any, fetchers: Any) -> None:
    url = web.url("/p")
    date = formatdate(1_700_000_000, usegmt=True)
    web.routes["/p"] = [
        web.answer(PAGE, "200 OK", 'ETag: "\xe9"', f"Last-Modified: {date}"),
        b"HTTP/1.1 304 Not Modified\r\n\r\n",
    ]
    fetcher = fetchers()
    visit = visit_of(url, got(fetcher, url))
    assert fetcher.get(url, visit=visit) is None
    assert web.asked[-1].headers["If-None-Match"] == '"\xe9"'
    assert web.asked[-1].headers["If-Modified-Since"] == date
    assert web.paths() == ["/p", "/p"]


def test_a_server_that_knows_no_conditions_is_compared_by_what_it_sends(web: Any, fetchers: Any) -> None:
    web.routes["/p"] = [web.answer(PAGE), web.answer(PAGE), web.answer(PAGE + b"!")]
    fetcher = fetchers()
    visit = visit_of(web.url("/p"), got(fetcher, web.url("/p")))
    assert fetcher.get(web.url("/p"), visit=visit) is None
    assert got(fetcher, web.url("/p"), visit=visit).body == PAGE + b"!"


def test_conditions_are_not_sent_where_the_same_etag_may_mean_another_page(web: Any, fetchers: Any) -> None:
    web.routes["/latest"] = web.answer(b"", "302 Found", "Location: /v2")
    web.routes["/v2"] = web.answer(PAGE, "200 OK", 'ETag: "1"')
    visit = Visit(url=web.url("/latest"), reader="test", documents=[web.url("/v1")], etag='"1"', digest="0")
    assert got(fetchers(), web.url("/latest"), visit=visit).url == web.url("/v2")
    assert "If-None-Match" in web.asked[-2].headers
    assert "If-None-Match" not in web.asked[-1].headers


def test_304_without_a_condition_is_a_failure(web: Any, fetchers: Any) -> None:
    web.routes["/p"] = b"HTTP/1.1 304 Not Modified\r\n\r\n"
    with pytest.raises(SourceFailed, match="304 Not Modified"):
        fetchers().get(web.url("/p"))


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone"])
def test_what_is_no_more_is_told_apart_from_what_failed(web: Any, fetchers: Any, status: str) -> None:
    web.routes["/p"] = web.answer(b"<p>no</p>", status)
    with pytest.raises(SourceGone, match=status):
        fetchers().get(web.url("/p"))


def test_media_types_can_be_asked_for(web: Any, fetchers: Any) -> None:
    web.routes["/feed"] = web.answer(b"<rss/>", type="application/rss+xml")
    web.routes["/script"] = web.answer(b"x()", type="text/javascript")
    fetcher = fetchers()
    assert got(fetcher, web.url("/feed"), accept=("application/rss+xml", "text/xml")).media_type.endswith("rss+xml")
    assert got(fetcher, web.url("/script"), accept=("text/*",)).body == b"x()"
    assert got(fetcher, web.url("/feed"), accept=ANY_TYPE).body == b"<rss/>"
    with pytest.raises(SourceRefused, match=r"it is application/rss\+xml, not HTML"):
        fetcher.get(web.url("/feed"))
    with pytest.raises(SourceRefused, match=r"not application/json or text/plain"):
        fetcher.get(web.url("/feed"), accept=("application/json", "text/plain"))


@pytest.mark.parametrize(
    ("location", "place"),
    [
        ("/there", "/there"),
        ("there?utm_source=x&a=1#part", "/there?a=1"),
        ("//a.example:{port}/there", "/there"),
        ("/\u00fc", "/%C3%BC"),
        ("/a/../there", "/there"),
    ],
)
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"])
def test_a_redirect_gives_the_place_that_it_led_to(
    web: Any, fetchers: Any, status: str, location: str, place: str
) -> None:
    there = location.format(port=web.port).encode().decode("latin-1")
    web.routes["/here"] = web.answer(b"<p>gone there</p>", status, f"Location: {there}")
    for path in ("/there", "/there?utm_source=x&a=1", "/%C3%BC"):
        web.routes[path] = web.answer(PAGE)
    assert got(fetchers(), web.url("/here", "a.example")).url == web.url(place, "a.example")


def test_a_redirect_to_another_host_asks_that_hosts_robots(web: Any, fetchers: Any) -> None:
    web.routes["/here"] = web.answer(b"", "301 Moved", f"Location: {web.url('/there', 'b.example')}")
    web.routes["/there"] = web.answer(PAGE)
    assert got(fetchers(), web.url("/here", "a.example")).url == web.url("/there", "b.example")
    assert [(one.host, one.path) for one in web.asked] == [
        ("a.example", "/robots.txt"),
        ("a.example", "/here"),
        ("b.example", "/robots.txt"),
        ("b.example", "/there"),
    ]


def test_five_redirects_are_followed_and_a_sixth_is_not(web: Any, fetchers: Any) -> None:
    for number in range(9):
        web.routes[f"/{number}"] = web.answer(b"", "302 Found", f"Location: /{number + 1}")
    web.routes["/9"] = web.answer(PAGE)
    assert got(fetchers(), web.url("/4")).url == web.url("/9")
    with pytest.raises(SourceFailed, match="redirects more than 5 times"):
        fetchers().get(web.url("/3"))


def test_one_connection_serves_a_host_and_no_other(web: Any, fetchers: Any) -> None:
    web.routes = {path: web.answer(PAGE) for path in ("/1", "/2", "/3")}
    web.routes["/moved"] = web.answer(b"<p>moved</p>", "301 Moved", "Location: /1")
    fetcher = fetchers()
    for host in ("a.example", "b.example", "a.example"):
        for path in ("/1", "/moved", "/none", "/2"):
            try:
                fetcher.get(web.url(path, host))
            except SourceGone:
                assert path == "/none"
    assert {one.host for one in web.asked if one.connection == 1} == {"a.example"}
    assert {one.host for one in web.asked if one.connection == 2} == {"b.example"}
    assert web.connections == 2


def test_proxies_from_the_environment_are_not_used(web: Any, fetchers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    web.routes["/p"] = web.answer(PAGE)
    assert got(fetchers(), web.url("/p")).body == PAGE


@pytest.mark.parametrize(
    "url", ["ftp://a.example/x", "file:///etc/passwd", "x", "", "http://a:b@c.example/", "http://[/"]
)
def test_what_is_no_web_url_is_refused(fetchers: Any, url: str) -> None:
    with pytest.raises(SourceRefused, match=r"not http or https|not a valid URL|user name or password"):
        fetchers().get(url)


@pytest.mark.parametrize("etag", ['"\u2014"', '"a\r\nX: y"', '"' + "x" * 5_000 + '"'])
def test_a_damaged_etag_is_not_sent(web: Any, fetchers: Any, etag: str) -> None:
    web.routes["/p"] = web.answer(PAGE)
    url = web.url("/p")
    assert got(fetchers(), url, visit=Visit(url=url, reader="test", etag=etag)).body == PAGE
    assert not {"If-None-Match", "X"} & set(web.asked[-1].headers)


def test_idle_connections_are_bounded(web: Any, fetchers: Any) -> None:
    web.routes["/1"] = web.answer(PAGE)
    fetcher = fetchers(max_connections=2)
    for host in ("a.example", "b.example", "c.example", "a.example", "c.example"):
        fetcher.get(web.url("/1", host))
    assert web.connections == 4  # a's was closed for c's


def test_a_connection_that_the_server_closed_is_made_anew(web: Any, fetchers: Any) -> None:
    def once(connection: socket, _: object) -> None:
        connection.sendall(web.answer(PAGE))

    web.routes["/p"] = once
    fetcher = fetchers()
    for _ in range(3):
        assert got(fetcher, web.url("/p")).body == PAGE


def test_a_host_is_asked_by_one_at_a_time_and_many_hosts_at_once(web: Any, fetchers: Any) -> None:
    active: dict[str, int] = {}
    most: dict[str, int] = {}
    at_once = 0
    lock = threading.Lock()

    def slow(connection: socket, asked: Any) -> None:
        nonlocal at_once
        with lock:
            active[asked.host] = active.get(asked.host, 0) + 1
            most[asked.host] = max(most.get(asked.host, 0), active[asked.host])
            at_once = max(at_once, sum(active.values()))
        time.sleep(0.03)  # long enough for the others to come meanwhile, if they may
        with lock:
            active[asked.host] -= 1
        connection.sendall(web.answer(PAGE))

    web.routes = {f"/{number}": slow for number in range(6)}
    fetcher = fetchers()
    places = [web.url(f"/{number}", f"{host}.example") for number in range(6) for host in "abcd"]
    with ThreadPoolExecutor(len(places)) as pool:
        assert all(pool.map(fetcher.get, places))
    assert set(most.values()) == {1}
    assert at_once > 1


def test_at_most_so_many_pages_are_fetched_at_once(web: Any, fetchers: Any) -> None:
    active = most = 0
    lock = threading.Lock()

    def slow(connection: socket, _: object) -> None:
        nonlocal active, most
        with lock:
            active += 1
            most = max(most, active)
        time.sleep(0.02)
        with lock:
            active -= 1
        connection.sendall(web.answer(PAGE))

    web.routes = {"/p": slow, "/robots.txt": slow}
    fetcher = fetchers(max_connections=2)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fetcher.get, [web.url("/p", f"h{number}.example") for number in range(8)]))
    assert most == 2


def test_a_page_is_asked_for_at_the_pace_that_the_host_answers_at(web: Any, fetchers: Any) -> None:
    def slow(connection: socket, _: object) -> None:
        time.sleep(0.1)
        connection.sendall(web.answer(PAGE))

    web.routes["/slow"] = slow
    fetcher = fetchers()
    fetcher.get(web.url("/slow"))
    before = len(fetchers.pauses)
    fetcher.get(web.url("/slow"))
    [pause] = fetchers.pauses[before:]
    assert 0.4 < pause < 2.0  # five times 0.1 s, and what a busy machine adds


def test_a_crawl_delay_is_kept_to_and_capped(web: Any, fetchers: Any) -> None:
    web.routes["/p"] = web.answer(PAGE)
    web.routes["/robots.txt"] = web.answer(b"User-agent: *\nCrawl-delay: 7", type="text/plain")
    fetcher = fetchers()
    for _ in range(3):
        fetcher.get(web.url("/p"))
    assert fetchers.pauses[1:] == pytest.approx([7, 7], abs=0.5)
    fetchers.pauses.clear()
    web.routes["/robots.txt"] = web.answer(b"User-agent: *\nCrawl-delay: 86400", type="text/plain")
    fetcher = fetchers(max_crawl_delay_seconds=9.0)
    for _ in range(2):
        fetcher.get(web.url("/p"))
    assert fetchers.pauses[1:] == pytest.approx([9], abs=0.5)


def test_robots_txt_is_asked_once_and_kept_to(web: Any, fetchers: Any) -> None:
    web.routes["/robots.txt"] = web.answer(
        b"User-agent: other\nDisallow: /\n\nUser-agent: llm-twin\nDisallow: /private", type="text/plain"
    )
    web.routes |= {"/p": web.answer(PAGE), "/private/p": web.answer(PAGE)}
    web.routes["/to-private"] = web.answer(b"", "302 Found", "Location: /private/p")
    fetcher = fetchers()
    assert got(fetcher, web.url("/p")).body == PAGE
    for path in ("/private/p", "/to-private"):
        with pytest.raises(SourceRefused, match=r"robots\.txt of 127\.0\.0\.1:\d+ does not allow it"):
            fetcher.get(web.url(path))
    assert [one.path for one in web.asked] == ["/robots.txt", "/p", "/to-private"]


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "404 Not Found", "410 Gone", "451 No"])
def test_a_robots_txt_that_is_not_there_allows_everything(web: Any, fetchers: Any, status: str) -> None:
    web.routes |= {"/robots.txt": web.answer(b"Disallow", status), "/p": web.answer(PAGE)}
    assert got(fetchers(), web.url("/p")).body == PAGE


@pytest.mark.parametrize("status", ["500 Oops", "503 Busy", "507 Full", "429 Slow Down"])
def test_a_robots_txt_that_cannot_be_read_allows_nothing(web: Any, fetchers: Any, status: str) -> None:
    web.routes |= {"/robots.txt": web.answer(b"", status), "/p": web.answer(PAGE)}
    fetcher = fetchers()
    for path in ("/p", "/q"):
        with pytest.raises(SourceFailed, match=rf"robots\.txt of .* cannot be read: .*{status}"):
            fetcher.get(web.url(path))
    assert web.paths() == []
    assert len(web.asked) <= 3


def test_a_robots_txt_that_moved_is_followed(web: Any, fetchers: Any) -> None:
    web.routes["/robots.txt"] = web.answer(b"", "301 Moved", "Location: /rules.txt")
    web.routes["/rules.txt"] = web.answer(b"User-agent: *\nDisallow: /p", type="text/plain")
    with pytest.raises(SourceRefused, match="does not allow"):
        fetchers().get(web.url("/p"))
    web.routes["/rules.txt"] = web.answer(b"", "301 Moved", "Location: /robots.txt")
    web.routes["/p"] = web.answer(PAGE)
    assert got(fetchers(), web.url("/p")).body == PAGE  # a circle counts as no robots.txt at all (RFC 9309)


@pytest.mark.parametrize("status", ["429 Too Many", "500 Oops", "502 Bad", "503 Busy", "504 Late"])
def test_what_may_pass_is_tried_again_after_a_growing_pause(web: Any, fetchers: Any, status: str) -> None:
    web.routes["/p"] = [web.answer(b"", status), web.answer(b"", status), web.answer(PAGE)]
    assert got(fetchers(), web.url("/p")).body == PAGE
    assert fetchers.pauses[1:] == pytest.approx([1, 2], abs=0.2)


def test_after_a_few_attempts_it_is_given_up(web: Any, fetchers: Any) -> None:
    web.routes["/p"] = web.answer(b"", "503 Busy")
    with pytest.raises(SourceFailed, match="the server answered 503 Busy, 3 times"):
        fetchers().get(web.url("/p"))
    assert web.paths() == ["/p"] * 3


@pytest.mark.parametrize(
    "status", ["400 Bad", "401 Unauthorized", "403 Forbidden", "501 No", "204 Nothing", "206 Part"]
)
def test_what_will_not_pass_is_not_tried_again(web: Any, fetchers: Any, status: str) -> None:
    web.routes["/p"] = web.answer(b"", status)
    with pytest.raises(SourceFailed, match=status):
        fetchers().get(web.url("/p"))
    assert web.paths() == ["/p"]


@pytest.mark.parametrize("asked", ["40", "date"])
def test_retry_after_is_waited_for(web: Any, fetchers: Any, asked: str) -> None:
    value = formatdate(time.time() + 40, usegmt=True) if asked == "date" else asked
    web.routes["/p"] = [web.answer(b"", "429 Too Many", f"Retry-After: {value}"), web.answer(PAGE)]
    assert got(fetchers(), web.url("/p")).body == PAGE
    assert fetchers.pauses[-1] == pytest.approx(40, abs=1.5)


def test_a_host_that_wants_a_year_is_left_for_this_run_and_the_others_go_on(web: Any, fetchers: Any) -> None:
    web.routes["/p"] = web.answer(b"", "503 Busy", "Retry-After: 31536000")
    web.routes["/q"] = web.answer(PAGE)
    fetcher = fetchers()
    with pytest.raises(SourceFailed, match=r"left alone for 31,536,000 s .*COLLECTION_MAX_RETRY_AFTER"):
        fetcher.get(web.url("/p", "a.example"))
    with pytest.raises(SourceFailed, match="left for the next run"):
        fetcher.get(web.url("/q", "a.example"))
    assert web.paths() == ["/p"]
    assert got(fetcher, web.url("/q", "b.example")).body == PAGE
    assert max(fetchers.pauses) < 60


def test_a_host_that_keeps_failing_is_left_for_this_run(web: Any, fetchers: Any) -> None:
    web.routes = {f"/{number}": web.answer(b"", "500 Oops") for number in range(100)}
    fetcher = fetchers(attempts=2)
    reasons = []
    for number in range(100):
        with pytest.raises(SourceFailed) as failure:
            fetcher.get(web.url(f"/{number}"))
        reasons.append(str(failure.value))
    assert len(web.paths()) == 10
    assert "500 Oops, 2 times" in reasons[4]
    assert "failed 5 times in a row, the last time because the server answered 500 Oops" in reasons[99]


def test_a_host_that_fails_now_and_then_is_not_left(web: Any, fetchers: Any) -> None:
    web.routes = {f"/{number}": web.answer(*((PAGE,) if number % 4 else (b"", "500 Oops"))) for number in range(40)}
    fetcher = fetchers(attempts=1)
    for number in range(40):
        if number % 4:
            assert got(fetcher, web.url(f"/{number}")).body == PAGE
        else:
            with pytest.raises(SourceFailed, match=r"^the server answered 500 Oops$"):
                fetcher.get(web.url(f"/{number}"))


@pytest.mark.parametrize(
    ("limit", "name"),
    [({"run_requests": 3}, "COLLECTION_RUN_REQUESTS"), ({"run_bytes": 2_000}, "COLLECTION_RUN_BYTES")],
)
def test_a_run_stops_at_its_budget(web: Any, fetchers: Any, limit: dict[str, int], name: str) -> None:
    web.routes["/p"] = web.answer(PAGE + b" " * 1_000)
    fetcher = fetchers(**limit)
    for _ in range(2):
        fetcher.get(web.url("/p"))
    for host in ("127.0.0.1", "b.example"):
        with pytest.raises(SourceFailed, match=rf"budget of .* is used up; the next run goes on \({name}"):
            fetcher.get(web.url("/p", host))
    assert len(web.asked) == 3


def test_a_run_stops_when_its_time_is_up(web: Any, fetchers: Any) -> None:
    web.routes["/p"] = web.answer(PAGE)
    web.routes["/robots.txt"] = web.answer(b"User-agent: *\nCrawl-delay: 30", type="text/plain")
    fetcher = fetchers(run_seconds=100.0)
    for _ in range(4):
        fetcher.get(web.url("/p"))
    with pytest.raises(SourceFailed, match=r"budget of 100 s is used up.*COLLECTION_RUN_SECONDS"):
        fetcher.get(web.url("/p"))


def test_closing_ends_what_still_waits(web: Any, fetchers: Any) -> None:
    began = threading.Event()

    def never(connection: socket, _: object) -> None:
        began.set()
        connection.recv(1)  # until the client hangs up

    web.routes["/p"] = never
    fetcher = fetchers(timeout_seconds=60.0)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(fetcher.get, web.url("/p"))
        assert began.wait(10)
        fetcher.close()
        with pytest.raises(SourceFailed, match="the run was stopped"):
            waiting.result(10)
    with pytest.raises(SourceFailed, match="the run was stopped"):
        fetcher.get(web.url("/p"))
