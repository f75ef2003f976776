"""Pages whose text is made by JavaScript, rendered by a Chromium that never touches the network itself.

Whatever a page asks for goes through the `Fetcher`, so address checks, robots.txt, pauses and limits hold for it too.
What cannot go that way does not go: a proxy that nobody listens at stands behind the browser.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from twin.collection.refusals import too_large
from twin.collection.web import urls
from twin.collection.web.event_loop import BackgroundLoop
from twin.collection.web.fetch import ANY_TYPE, Fetched
from twin.errors import CollectionError, InputError, SourceFailed, SourceRefused

if TYPE_CHECKING:
    from playwright.async_api import Browser as Chromium
    from playwright.async_api import BrowserContext, Playwright, Route

    from twin.collection.web.fetch import Fetcher
    from twin.settings import SourceSettings

__all__ = ["NAMES", "Browser", "find"]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WANTED = frozenset({"document", "script", "xhr", "fetch", "stylesheet"})
"""What a page is made from; pictures, fonts and films are not text."""
MAX_REQUESTS = 200
"""Of one page."""
TIME_FACTOR = 3
"""A page that is rendered may take so many times what a page that is fetched may, as it asks for many things."""
QUIET_SECONDS = 10.0
"""A page that never stops asking for more is read after this."""
START_SECONDS = 60.0
CLOSE_SECONDS = 5.0
NOWHERE = "http://127.0.0.1:9"
"""The discard port: as the browser's proxy it answers nothing."""
FLAGS = [
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
    "--dns-prefetch-disable",
    "--disable-gpu",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",  # its name in older versions
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--js-flags=--max-old-space-size=512",
]


def find(setting: str) -> Path:
    """The Chromium that the setting `COLLECTION_BROWSER` means: `auto`, or a path.

    Raises:
        SourceFailed: There is none; says what to do.
    """
    if setting != "auto":
        if os.access(setting, os.X_OK) and Path(setting).is_file():
            return Path(setting)
        raise SourceFailed(f"COLLECTION_BROWSER={setting} is no program: set it to the path of a Chromium, or to `off`")
    for name in NAMES:
        if found := shutil.which(name):
            return Path(found)
    raise SourceFailed(
        "its text is made by JavaScript, and COLLECTION_BROWSER=auto finds no Chromium: install one (on Debian: "
        "`apt-get install chromium`), set COLLECTION_BROWSER to its path, or to `off`"
    )


class Browser:
    """Renders one page after another, for any thread. Chromium is started for the first."""

    def __init__(self, settings: SourceSettings, fetcher: Fetcher) -> None:
        self._settings = settings
        self._fetcher = fetcher
        self._turn = asyncio.Lock()
        self._playwright: Playwright | None = None
        self._chromium: Chromium | None = None
        self._loop = BackgroundLoop("browser")

    def render(self, page: Fetched) -> Fetched:
        """`page`, which was fetched, as it is after its scripts ran.

        Raises:
            SourceFailed: There is no browser, it took too long, or the page broke it.
            SourceRefused: The page led elsewhere or became too large.
        """
        return self._loop.run(self._render(page))

    def close(self) -> None:
        """Ends the browser."""
        self._loop.close(self._stop())

    @property
    def _limit(self) -> float:
        return self._settings.timeout_seconds * TIME_FACTOR

    async def _render(self, page: Fetched) -> Fetched:
        try:
            from playwright.async_api import Error
        except ModuleNotFoundError:
            raise SourceFailed(
                "its text is made by JavaScript, and the package playwright is missing: `pip install playwright`, "
                "or set COLLECTION_BROWSER=off"
            ) from None
        async with self._turn:
            try:
                async with asyncio.timeout(START_SECONDS):
                    chromium = await self._start()
                    context = await chromium.new_context(
                        user_agent=self._settings.user_agent, service_workers="block", accept_downloads=False
                    )
                try:
                    async with asyncio.timeout(self._limit):
                        return await self._read(context, page)
                finally:
                    await self._discard(context)
            except TimeoutError:
                raise SourceFailed(f"its scripts were not done within {self._limit:g} s") from None
            except Error as error:
                raise SourceFailed(f"the browser could not show it: {error.message.splitlines()[0]}") from None

    async def _read(self, context: BrowserContext, page: Fetched) -> Fetched:
        from playwright.async_api import TimeoutError as NotQuiet

        network = _Network(self._fetcher, page)
        await context.route("**/*", network.serve)
        await context.route_web_socket("**/*", lambda socket: socket.close())
        tab = await context.new_page()
        await tab.goto(page.url, wait_until="load", timeout=self._limit * 1_000)
        with contextlib.suppress(NotQuiet):
            await tab.wait_for_load_state("networkidle", timeout=QUIET_SECONDS * 1_000)
        html = (await tab.content()).encode("utf-8", "replace")
        if len(html) > self._settings.max_bytes:
            raise SourceRefused(too_large(len(html), self._settings.max_bytes))
        try:
            where = urls.canonical(tab.url)
        except InputError:
            where = ""
        if urls.host(where) != urls.host(page.url):
            raise SourceRefused("its scripts lead to another site")
        return Fetched(url=where, body=html, charset="utf-8", media_type="text/html")

    async def _start(self) -> Chromium:
        if self._chromium is None or not self._chromium.is_connected():
            program = find(self._settings.browser)
            from playwright.async_api import async_playwright

            self._playwright = self._playwright or await async_playwright().start()
            self._chromium = await self._playwright.chromium.launch(
                executable_path=program,
                args=FLAGS,
                proxy={"server": NOWHERE, "bypass": "<-loopback>"},
                chromium_sandbox=os.geteuid() != 0,  # Chromium's own sandbox does not work for root
            )
        return self._chromium

    async def _discard(self, context: BrowserContext) -> None:
        """Closes a page; a browser that cannot even do that is ended, and the next page gets another."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await context.close()
        except TimeoutError:
            chromium, self._chromium = self._chromium, None
            if chromium:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CLOSE_SECONDS):
                        await chromium.close()

    async def _stop(self) -> None:
        if self._chromium:
            await self._chromium.close()
        if self._playwright:
            await self._playwright.stop()


class _Network:
    """What one page takes for the network."""

    def __init__(self, fetcher: Fetcher, page: Fetched) -> None:
        self._fetcher = fetcher
        self._page = page
        self._requests = 0

    async def serve(self, route: Route) -> None:
        """Answers a request of the page from the `Fetcher`, or refuses it."""
        request = route.request
        self._requests += 1
        wanted = request.method == "GET" and request.resource_type in WANTED and urls.is_web(request.url)
        if not wanted or self._requests > MAX_REQUESTS:
            await route.abort("blockedbyclient")
            return
        try:
            fetched = await self._get(request.url)
        except (CollectionError, InputError):
            await route.abort("failed")
            return
        await route.fulfill(status=200, body=fetched.body, headers=_headers(fetched))

    async def _get(self, url: str) -> Fetched:
        if url == self._page.url:
            return self._page
        fetched = await asyncio.to_thread(self._fetcher.get, url, accept=ANY_TYPE)
        if fetched is None:
            raise SourceFailed("it gave nothing")
        return fetched


def _headers(fetched: Fetched) -> dict[str, str]:
    charset = f"; charset={fetched.charset}" if fetched.charset else ""
    headers = {"content-type": f"{fetched.media_type or 'application/octet-stream'}{charset}"}
    if fetched.allows_origin:
        headers["access-control-allow-origin"] = fetched.allows_origin
    return headers
