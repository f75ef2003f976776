"""Fetching from servers that are not trusted, politely."""

from __future__ import annotations

import hashlib
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import msgspec

from twin.collection.refusals import too_large
from twin.collection.web import addresses, urls
from twin.collection.web.event_loop import BackgroundLoop
from twin.collection.web.pacing import Timing
from twin.collection.web.polite_request import MAX_REDIRECTS, Allowance, Answer, Asker
from twin.errors import InputError, SourceFailed, SourceGone, SourceRefused
from twin.text import decoding

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from twin.collection.web.addresses import Resolver
    from twin.collection.web.transport import Reply
    from twin.records import Visit
    from twin.settings import SourceSettings

__all__ = ["ANY_TYPE", "HTML_TYPES", "Fetched", "Fetcher"]

HTML_TYPES = ("text/html", "application/xhtml+xml")
ANY_TYPE = ("*/*",)
OK, NOT_MODIFIED, NOT_FOUND, GONE = 200, 304, 404, 410
CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{2,40})", re.IGNORECASE | re.ASCII)
VALIDATOR = re.compile(r"[\x20-\x7e\x80-\xff]{1,1000}")
"""What may be sent back in a header; a longer ETag is not."""


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
    allows_origin: str | None = None
    """`Access-Control-Allow-Origin`: which sites' scripts may read it."""

    @property
    def digest(self) -> str:
        """sha256 of the body, for a `Visit`."""
        return hashlib.sha256(self.body).hexdigest()


class Fetcher:
    """The one way to the web of a run of collection. Blocking, and safe to share between threads.

    Every address is checked (see `Transport`), for each redirect again. What comes is bounded while it is read, and
    `settings.timeout_seconds` is for the whole of a fetch, so a server that sends a byte now and then cannot hold the
    collection up. Each host is asked by one at a time, with pauses, as its robots.txt allows; see
    `twin.collection.web.pacing` and `twin.collection.web.robots`. All fetches share one budget.
    """

    def __init__(
        self,
        settings: SourceSettings,
        *,
        resolver: Resolver = addresses.lookup,
        timing: Timing | None = None,
        is_fresh: Callable[[Visit], bool] = lambda _: False,
    ) -> None:
        self._is_fresh = is_fresh
        self._asker = Asker(settings, resolver, timing or Timing())
        self._settings = settings
        self._loop = BackgroundLoop("fetch")

    def get(self, url: str, *, accept: Sequence[str] = HTML_TYPES, visit: Visit | None = None) -> Fetched | None:
        """What is at `url`; None when it is as it was at `visit`. A visit that is fresh is believed without asking.

        `accept` are the media types that are asked for and taken; `text/*` and `*/*` stand for many.

        Raises:
            SourceRefused: No web URL, of another type, too large, not on the public internet, or not allowed by
                robots.txt.
            SourceGone: The server says 404 or 410.
            SourceFailed: Refused by the server, timed out, unreachable, or the run's budget is used up.
        """
        if visit is not None and self._is_fresh(visit):
            return None
        return self._loop.run(self._get(url, tuple(accept), visit))

    def check_budget(self) -> None:
        """Whether anything may still be asked in this run.

        Raises:
            SourceFailed: The run's budget is used up.
        """
        self._asker.budget.check()

    def close(self) -> None:
        """Ends what still runs and closes the connections."""
        self._loop.close(self._asker.close())

    async def _get(self, url: str, accept: tuple[str, ...], visit: Visit | None) -> Fetched | None:
        self._asker.budget.check()
        allowance = Allowance(self._settings.timeout_seconds)
        place = _checked(url)
        seen: list[str] = []
        while len(seen) <= MAX_REDIRECTS:
            if place in seen:
                raise SourceFailed(f"it redirects in a circle, by way of {place}")
            seen.append(place)
            await self._asker.check_robots(place)
            conditions = _conditions(place, visit)
            headers = {"Accept": ", ".join(accept)} | conditions
            answer = await self._asker.ask(place, headers, self._reader(accept), allowance)
            target = answer.redirect_from(place)
            if target is None:
                return _fetched(place, answer, conditions, visit)
            place = target
        raise SourceFailed(f"it redirects more than {MAX_REDIRECTS} times")

    def _reader(self, accept: tuple[str, ...]) -> Callable[[Reply], Awaitable[bytes]]:
        async def read(reply: Reply) -> bytes:
            if reply.status == OK:
                return await _read_page(reply, accept, self._settings.max_bytes)
            await reply.drain()
            return b""

        return read


def _checked(url: str) -> str:
    """`url` as it is asked for."""
    if not urls.is_web(url):
        raise SourceRefused(f"{url[:200]!r} is not http or https")
    try:
        return urls.normal(url)
    except InputError as error:
        raise SourceRefused(str(error)) from None


def _conditions(place: str, visit: Visit | None) -> dict[str, str]:
    """The headers that ask for a page only if it changed.

    Only for the place that the validators came from: elsewhere the same ETag may mean another page.
    """
    if visit is None or place not in (visit.url, *visit.documents):
        return {}
    asked = {"If-None-Match": visit.etag, "If-Modified-Since": visit.last_modified}
    return {name: value for name, value in asked.items() if value and VALIDATOR.fullmatch(value)}


def _fetched(place: str, answer: Answer, conditions: dict[str, str], visit: Visit | None) -> Fetched | None:
    if answer.status == NOT_MODIFIED and conditions:
        return None
    if answer.status in (NOT_FOUND, GONE):
        raise SourceGone(answer.sentence)
    if answer.status != OK:
        raise SourceFailed(answer.sentence)
    media_type, charset = _content_type(answer.headers)
    fetched = Fetched(
        url=urls.canonical(place),
        body=answer.body,
        charset=charset,
        media_type=media_type,
        etag=answer.headers.get("etag"),
        last_modified=answer.headers.get("last-modified"),
        allows_origin=answer.headers.get("access-control-allow-origin"),
    )
    return None if visit and visit.digest == fetched.digest else fetched


async def _read_page(reply: Reply, accept: tuple[str, ...], max_bytes: int) -> bytes:
    media_type, _ = _content_type(reply.headers)
    if media_type and not any(fnmatchcase(media_type, pattern) for pattern in accept):
        wanted = "HTML" if accept == HTML_TYPES else " or ".join(accept)
        raise SourceRefused(f"it is {media_type[:80]}, not {wanted}")
    declared = reply.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise SourceRefused(too_large(int(declared), max_bytes))
    body = bytearray()
    async for block in reply.blocks(max_bytes):
        body += block
        if len(body) > max_bytes:
            raise SourceRefused(too_large(None, max_bytes))
    if not media_type and accept == HTML_TYPES and not _begins_like_html(body):
        raise SourceRefused("it names no content type and does not begin like HTML")
    return bytes(body)


def _begins_like_html(body: bytes | bytearray) -> bool:
    head = body[:1_024].lower()
    return b"<html" in head or b"<!doctype html" in head


def _content_type(headers: dict[str, str]) -> tuple[str, str | None]:
    """The media type, and the encoding if it is one."""
    value = headers.get("content-type", "")
    charset = CHARSET.search(value)
    known = decoding.encoding_named(charset[1]) if charset else None
    return value.partition(";")[0].strip().lower(), known
