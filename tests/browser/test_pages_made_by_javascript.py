"""Pages whose text is made by JavaScript, in a real Chromium that reaches the network only through the fetcher."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from twin import collection
from twin.collection.web import browser
from twin.records import Document, Rejected, Unchanged
from twin.settings import SourceSettings, read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHROMIUM = next((name for name in browser.NAMES if shutil.which(name)), None)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="No chromium here: `apt-get update && apt-get install -y chromium`."
)
SETTINGS: dict[str, Any] = {"allow_private_addresses": True, "attempts": 1, "browser": "auto"}
SHELL = b"<!doctype html><html><head><title>App</title></head><body><div id=app></div><script src=/app.js></script>"
TEXT = "This paragraph is made by a script, and it is long enough to be taken for what the page is about. "
RENDER = """
fetch('/data.json').then(answer => answer.json()).then(data => {
  document.getElementById('app').innerHTML =
    `<article><h1>Made here</h1><p>${data.text}</p><p>${data.text}</p></article>`;
});
"""


@pytest.fixture
def app(web: Any) -> Any:
    """A page, its script and the data that the script asks for."""
    web.routes["/page"] = web.answer(SHELL, "200 OK", 'ETag: "shell"')
    web.routes["/app.js"] = web.answer(RENDER.encode(), type="text/javascript")
    web.routes["/data.json"] = web.answer(f'{{"text": "{TEXT * 3}"}}'.encode(), type="application/json")
    return web


@needs_chromium
def test_a_page_made_by_javascript_is_read(app: Any, looks: Any) -> None:
    [document] = looks(app.url("/page"), **SETTINGS)
    assert isinstance(document, Document)
    assert document.title == "Made here"
    assert TEXT.strip() in document.content
    assert document.url == app.url("/page")
    assert app.paths() == ["/page", "/app.js", "/data.json"]
    assert {one.headers["User-Agent"].partition("/")[0] for one in app.asked} == {"llm-twin"}


@needs_chromium
def test_what_a_script_says_anew_is_seen_though_its_page_did_not_change(app: Any, looks: Any) -> None:
    looks(app.url("/page"), **SETTINGS)
    app.routes["/data.json"] = app.answer(f'{{"text": "Edited. {TEXT * 3}"}}'.encode(), type="application/json")
    [document] = looks(app.url("/page"), **SETTINGS)
    assert "Edited." in document.content


@needs_chromium
def test_robots_txt_holds_for_what_a_page_asks_for(app: Any, looks: Any) -> None:
    app.routes["/robots.txt"] = app.answer(b"User-agent: *\nDisallow: /data.json", type="text/plain")
    [outcome] = looks(app.url("/page"), **SETTINGS)
    assert isinstance(outcome, Rejected)
    assert app.paths() == ["/page", "/app.js"]


class Listener:
    """Something inside that must not be reached: it takes connections and datagrams, and counts them."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.stream = socket.create_server(("127.0.0.1", 0))
        self.port = self.stream.getsockname()[1]
        self.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.datagrams.bind(("127.0.0.1", self.port))
        for listen in (self._accept, self._receive):
            threading.Thread(target=listen, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.stream.accept()
                self.heard.append(connection.recv(100))

    def _receive(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.heard.append(self.datagrams.recv(100))

    def close(self) -> None:
        self.stream.close()
        self.datagrams.close()


@pytest.fixture
def inside() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


ESCAPES = """
const tries = [
  () => new WebSocket('ws://HERE/socket'),
  () => navigator.sendBeacon('http://HERE/beacon', 'x'),
  () => fetch('http://HERE/post', {method: 'POST', body: 'x', mode: 'no-cors'}).catch(() => 0),
  () => new EventSource('http://HERE/events'),
  () => { new Image().src = 'http://HERE/image'; },
  () => { const peer = new RTCPeerConnection({iceServers: [{urls: 'stun:HERE'}]}); peer.createDataChannel('x');
          peer.createOffer().then(offer => peer.setLocalDescription(offer)); },
  () => { const t = new WebTransport('https://HERE/transport'); t.ready.catch(() => 0); t.closed.catch(() => 0); },
  () => new Worker(URL.createObjectURL(new Blob([
          "try { new WebSocket('ws://HERE/w1') } catch (e) {} try { new WebTransport('https://HERE/w2') } catch (e) {}",
        ], {type: 'text/javascript'}))),
  () => window.open('http://HERE/window'),
  () => ['preconnect', 'prefetch', 'dns-prefetch', 'preload'].forEach(rel => {
          const link = document.createElement('link'); link.rel = rel; link.as = 'image';
          link.href = 'http://HERE/' + rel; document.head.appendChild(link); }),
  () => { const frame = document.createElement('form'); frame.action = 'http://HERE/form'; frame.method = 'POST';
          frame.target = '_blank'; document.body.appendChild(frame); frame.submit(); },
];
for (const attempt of tries) { try { attempt(); } catch (error) {} }
"""


@needs_chromium
def test_no_way_out_of_the_browser_leads_past_the_fetcher(app: Any, looks: Any, inside: Listener) -> None:
    """The fetcher may reach the listener, as it may reach the page, and asks for its robots.txt; nothing else may."""
    escapes = ESCAPES.replace("HERE", f"127.0.0.1:{inside.port}")
    app.routes["/app.js"] = app.answer((escapes + RENDER).encode(), type="text/javascript")
    [document] = looks(app.url("/page"), **SETTINGS, timeout_seconds=3.0)
    assert isinstance(document, Document)
    by_the_fetcher = b"GET /robots.txt HTTP/1.1\r\n"
    assert [heard for heard in inside.heard if not heard.startswith(by_the_fetcher)] == []


HOSTILE = {
    "for (;;) {}": "were not done within 4 s|could not show it",
    "location = 'https://elsewhere.invalid/'": "could not show it|lead to another site|reads like an article",
    "location = 'file:///etc/passwd'": "could not show it|reads like an article",
    "setInterval(() => fetch('/x' + Math.random()), 100)": "reads like an article",
    "document.body.innerHTML = 'x'.repeat(3e6)": "too large",
    "const a = []; for (;;) a.push(new Array(1e6).fill(1));": "could not show it|were not done",
    "alert('hello'); document.write('')": "reads like an article",
}


@needs_chromium
def test_hostile_scripts_have_a_reason_each_and_the_next_page_is_read(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser, "QUIET_SECONDS", 0.5)
    monkeypatch.setattr(browser, "TIME_FACTOR", 1)
    given = read(SourceSettings).model_copy(update=SETTINGS | {"timeout_seconds": 4.0, "max_bytes": 2_000_000})
    with collection.Session(given) as session:

        def outcome(path: str) -> collection.Item:
            return next(iter(collection.collect(collection.detect(app.url(path), "Ada"), session)))

        for number, (script, reason) in enumerate(HOSTILE.items()):
            app.routes[f"/{number}"] = app.answer(SHELL.replace(b"/app.js", b"/%d.js" % number))
            app.routes[f"/{number}.js"] = app.answer(script.encode(), type="text/javascript")
            bad = outcome(f"/{number}")
            assert isinstance(bad, Rejected)
            on_a_busy_machine = "were not done within 4 s"
            assert re.search(f"{reason}|{on_a_busy_machine}", bad.reason), f"{script}: {bad.reason}"
        monkeypatch.setattr(browser, "TIME_FACTOR", 15)
        assert isinstance(outcome("/page"), Document)


def test_a_page_that_needs_no_browser_starts_none(web: Any, looks: Any, tmp_path: Path) -> None:
    started = tmp_path / "started"
    program = tmp_path / "chromium"
    program.write_text(f"#!/bin/sh\ntouch {started}\n")
    program.chmod(0o755)
    web.routes["/p"] = web.answer(f"<html><title>T</title><article><p>{TEXT * 3}<p>{TEXT * 3}</article>".encode())
    outcomes = [looks(web.url("/p"), **SETTINGS | {"browser": str(program)}) for _ in range(2)]
    assert isinstance(outcomes[0][0], Document)
    assert isinstance(outcomes[1][0], Unchanged)
    assert not started.exists()


def test_without_the_setting_the_reason_names_it(app: Any, looks: Any) -> None:
    [outcome] = looks(app.url("/page"), **SETTINGS | {"browser": "off"})
    assert "COLLECTION_BROWSER=auto" in outcome.reason
    assert app.paths() == ["/page"]


@pytest.mark.parametrize("setting", ["auto", "/no/such/chromium", os.devnull])
def test_a_browser_that_is_missing_is_named(
    app: Any, looks: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, setting: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    [outcome] = looks(app.url("/page"), **SETTINGS | {"browser": setting})
    assert isinstance(outcome, Rejected)
    assert f"COLLECTION_BROWSER={setting}" in outcome.reason


def test_playwright_is_not_imported_before_it_is_needed() -> None:
    modules = "twin.collection.web.browser, twin.collection.pages.webarticle"
    code = f"import sys, {modules}; sys.exit('playwright' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
