"""Fetching a web page from a server that is not trusted."""

from __future__ import annotations

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import httpx
import msgspec

from twin.collection import addresses, urls
from twin.collection.base import too_large
from twin.errors import InputError, SourceFailed, SourceGone, SourceRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.records import Visit
    from twin.settings import SourceSettings

__all__ = ["HTML_TYPES", "MAX_REDIRECTS", "Fetched", "Fetcher"]

MAX_REDIRECTS = 5
HTML_TYPES = ("text/html", "application/xhtml+xml")
ENCODINGS = ("", "identity", "gzip", "deflate")
"""What is asked for and taken: their expansion is bounded, unlike that of newer encodings."""


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """What a server gave."""

    url: str
    """Where it was, after redirects; canonical."""
    body: bytes
    """Without the transfer's compression."""
    charset: str | None = None
    """The encoding that the server named."""
    media_type: str = ""
    """In lower case and without parameters; empty when the server named none."""
    etag: str | None = None
    last_modified: str | None = None
    """As the server sent them, for a `Visit`."""

    @property
    def digest(self) -> str:
        """sha256 of the body, for a `Visit`."""
        return hashlib.sha256(self.body).hexdigest()


class Fetcher:
    """The one way to the web of a run of collection. Safe to share between threads.

    Every address is checked after its name was resolved, and the connection goes to the address that was checked, so a
    name that changes its address in between gains nothing; the same again for each redirect. Size is limited while
    reading, and `settings.timeout_seconds` is for all of it together: a server that sends a byte now and then cannot
    hold the collection up. Proxies from the environment are not used, as behind one no address can be checked.
    """

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings

    def get(self, url: str, *, accept: Sequence[str] = HTML_TYPES, visit: Visit | None = None) -> Fetched | None:
        """What is at `url`; None when it is as it was at `visit`.

        `accept` are the media types that are asked for and taken; `text/*` and `*/*` stand for many.

        Raises:
            SourceRefused: Of another type, too large, or not on the public internet.
            SourceGone: The server says 404 or 410.
            SourceFailed: Refused by the server, timed out, unreachable.
        """
        # A thread of its own, because the caller may itself be on a running event loop
        with ThreadPoolExecutor(1, thread_name_prefix="fetch") as pool:
            fetched = pool.submit(
                lambda: asyncio.run(_fetch_in_time(url, tuple(accept), visit, self._settings))
            ).result()
        return None if fetched is None or (visit and fetched.digest == visit.digest) else fetched

    def close(self) -> None:
        """Closes the connections."""


async def _fetch_in_time(
    url: str, accept: tuple[str, ...], visit: Visit | None, settings: SourceSettings
) -> Fetched | None:
    headers = {
        "User-Agent": settings.user_agent,
        "Accept": ", ".join(accept),
        "Accept-Encoding": "gzip, deflate",
    }
    if visit and visit.etag:
        headers["If-None-Match"] = visit.etag
    if visit and visit.last_modified:
        headers["If-Modified-Since"] = visit.last_modified
    limit = settings.timeout_seconds
    certificates = httpx.create_ssl_context()
    try:
        async with (
            asyncio.timeout(limit),
            httpx.AsyncClient(headers=headers, timeout=limit, trust_env=False, verify=certificates) as client,
        ):
            return await _follow(client, url, accept, settings)
    except (TimeoutError, httpx.TimeoutException):
        raise SourceFailed(f"it did not come within {limit:g} s (COLLECTION_TIMEOUT_SECONDS raises that)") from None
    except httpx.InvalidURL as error:
        raise SourceFailed(f"it leads to something that is not a valid URL: {error}") from None
    except httpx.HTTPError as error:
        raise SourceFailed(f"the connection failed: {error or type(error).__name__}") from None


async def _follow(
    client: httpx.AsyncClient, url: str, accept: tuple[str, ...], settings: SourceSettings
) -> Fetched | None:
    for _ in range(MAX_REDIRECTS + 1):
        response = await _connect(client, url, settings)
        try:
            if not response.is_redirect:
                return await _read(response, url, accept, settings.max_bytes)
            url = _redirect_target(url, response.headers.get("location", ""))
        finally:
            await response.aclose()
    raise SourceFailed(f"it redirects more than {MAX_REDIRECTS} times")


async def _connect(client: httpx.AsyncClient, url: str, settings: SourceSettings) -> httpx.Response:
    """Sends the request to an address that was checked, and returns the response with its body not read yet."""
    target = httpx.URL(url)
    port = target.port or urls.DEFAULT_PORTS[target.scheme]
    found = await addresses.resolve(target.host, port, allow_private=settings.allow_private_addresses)
    problem: httpx.ConnectError | None = None
    for address in found:
        request = client.build_request(
            "GET",
            target.copy_with(host=address),
            headers={"Host": target.netloc.decode("ascii")},
            extensions={"sni_hostname": target.host},
        )
        try:
            return await client.send(request, stream=True, follow_redirects=False)
        except httpx.ConnectError as error:
            problem = error
    raise SourceFailed(f"the connection to {target.host} failed: {problem or 'it has no address'}")


def _redirect_target(url: str, location: str) -> str:
    try:
        target = urls.canonical(urljoin(url, location))
    except (InputError, ValueError):
        raise SourceFailed("it redirects to something that is not a valid URL") from None
    if not location or not urls.is_web(target):
        raise SourceRefused("it redirects to something that is not http or https")
    return target


async def _read(response: httpx.Response, url: str, accept: tuple[str, ...], max_bytes: int) -> Fetched | None:
    if response.status_code == httpx.codes.NOT_MODIFIED and any(
        name.startswith("if-") for name in response.request.headers
    ):
        return None
    if response.status_code in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
        raise SourceGone(f"the server answered {response.status_code} {response.reason_phrase}".rstrip())
    if response.status_code != httpx.codes.OK:
        raise SourceFailed(f"the server answered {response.status_code} {response.reason_phrase}".rstrip())
    content_type = response.headers.get("content-type", "")
    media_type = content_type.split(";")[0].strip().lower()
    if media_type and not any(fnmatchcase(media_type, pattern) for pattern in accept):
        raise SourceRefused(f"it is {media_type}, not {'HTML' if accept == HTML_TYPES else ' or '.join(accept)}")
    if response.headers.get("content-encoding", "").strip().lower() not in ENCODINGS:
        raise SourceRefused(f"its encoding {response.headers['content-encoding']!r} was not asked for")
    declared = response.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise SourceRefused(too_large(int(declared), max_bytes))
    body = await _read_body(response, max_bytes)
    if not media_type and accept == HTML_TYPES and not _begins_like_html(body):
        raise SourceRefused("it names no content type and does not begin like HTML")
    return Fetched(
        url=url,
        body=body,
        charset=response.charset_encoding,
        media_type=media_type,
        etag=response.headers.get("etag"),
        last_modified=response.headers.get("last-modified"),
    )


async def _read_body(response: httpx.Response, max_bytes: int) -> bytes:
    body = bytearray()
    async for block in response.aiter_bytes():
        body += block
        if len(body) > max_bytes:
            raise SourceRefused(too_large(None, max_bytes))
    return bytes(body)


def _begins_like_html(body: bytes) -> bool:
    head = body[:1_024].lower()
    return b"<html" in head or b"<!doctype html" in head
