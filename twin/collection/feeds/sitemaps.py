"""Sitemaps (https://www.sitemaps.org/protocol.html): XML, indexes of them, plain text, any of these compressed."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import msgspec

from twin.collection.feeds import safexml
from twin.collection.refusals import too_large
from twin.errors import SourceFailed, SourceRefused
from twin.text import decoding

if TYPE_CHECKING:
    from lxml.etree import _Element  # ty: ignore[import-not-found]

__all__ = ["MAX_PLACES", "Place", "Sitemap", "parse"]

MAX_PLACES = 50_000
"""Of one file; the protocol has the same limit."""
GZIP = b"\x1f\x8b"


class Place(msgspec.Struct, frozen=True):
    """What a sitemap lists."""

    url: str
    modified: str | None = None
    """`lastmod` as it is written there."""


class Sitemap(msgspec.Struct, frozen=True, kw_only=True):
    """One file."""

    pages: list[Place] = []
    sitemaps: list[Place] = []
    flaw: str | None = None
    """Why it is not all that there is."""


def parse(data: bytes, *, max_bytes: int, charset: str | None = None) -> Sitemap:
    """What a sitemap lists.

    Args:
        data: The file as it came.
        max_bytes: It may be so large when it is decompressed.
        charset: The encoding that the server named.

    Raises:
        SourceRefused: Too large, declares XML entities, or is no text.
        SourceFailed: It is no sitemap.
    """
    if data.startswith(GZIP):
        data = _decompressed(data, max_bytes)
    begin = data[:2_000].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not begin.startswith(b"<") and b"\0" not in begin:
        return _of_lines(decoding.decode(data, charset))
    xml = safexml.parse(data, charset)
    root = safexml.local_name(xml.root)
    if root not in ("urlset", "sitemapindex"):
        raise SourceFailed(f"it is no sitemap: its root is <{root}>")
    places = [place for element in xml.root if (place := _place(element))]
    flaw = None if xml.whole else "it breaks off or is broken: what comes after that is missing"
    if not xml.whole and places and xml.is_last_half("url", "sitemap"):
        places.pop()
    return _sitemap(places, flaw, is_index=root == "sitemapindex")


def _decompressed(data: bytes, max_bytes: int) -> bytes:
    reader = zlib.decompressobj(wbits=31)
    try:
        whole = reader.decompress(data, max_bytes + 1)
    except zlib.error:
        raise SourceFailed("it is a broken gzip file") from None
    if len(whole) > max_bytes:
        raise SourceRefused(too_large(None, max_bytes))
    return whole


def _of_lines(lines: str) -> Sitemap:
    places = [Place(line.strip()) for line in lines.splitlines() if line.strip()]
    if not places or not places[0].url.lower().startswith(("http://", "https://")):
        raise SourceFailed("it is no sitemap: neither XML nor a URL a line")
    return _sitemap(places, None, is_index=False)


def _sitemap(places: list[Place], flaw: str | None, *, is_index: bool) -> Sitemap:
    if len(places) > MAX_PLACES:
        flaw = flaw or f"it lists {len(places):,} places; the first {MAX_PLACES:,} are read"
        places = places[:MAX_PLACES]
    return Sitemap(sitemaps=places, flaw=flaw) if is_index else Sitemap(pages=places, flaw=flaw)


def _place(element: _Element) -> Place | None:
    found = {safexml.local_name(child): (child.text or "").strip() for child in element}
    return Place(found["loc"], found.get("lastmod") or None) if found.get("loc") else None
