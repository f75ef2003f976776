"""What links carry to watch readers: tracking parameters, and images of one pixel."""

from __future__ import annotations

import re

from twin.text.markdown import map_prose
from twin.text.tracking import without_tracking

__all__ = ["without_trackers"]

QUERY = re.compile(
    r"(?P<page>https?://(?P<host>[^\s()\[\]<>\"'?#/:@]{1,255})[^\s()\[\]<>\"'?#]{0,2000})\?(?P<query>[^\s()\[\]<>\"'#]{0,4000}[^\s()\[\]<>\"'#.,;:!?])"
)
PIXEL = re.compile(
    r"!\[[^\]\n]{0,200}\]\(https?://(?:[\w.-]{1,100}/_/stat\?"
    r"|(?:pixel|stats|analytics|track|tracking|beacon)\.[\w.-]{1,100}/"
    r"|[\w.-]{1,100}/(?:pixel|beacon|track(?:ing)?/open|open\.(?:gif|png)|1x1\.(?:gif|png)|spacer\.gif)\b"
    r"|(?:www\.)?google-analytics\.com/|[\w.-]{0,60}doubleclick\.net/|eotrx\.substackcdn\.com/open)[^\s)]{0,2000}"
    r"(?: \"[^\"\n]{0,200}\")?\)"
)
HTML_PIXEL = re.compile(
    r"<img\b(?=[^>]{0,1000}\bwidth=[\"']?[01](?:px)?[\"'\s/])(?=[^>]{0,1000}\bheight=[\"']?[01](?:px)?[\"'\s/>])"
    r"[^>]{0,2000}>",
    re.IGNORECASE,
)


def without_trackers(text: str) -> str:
    """`text` (markdown) with addresses that lead to the same place and images that are there to be seen.

    Fenced code stays as it is.
    """
    return map_prose(text, _without_trackers)


def _without_trackers(prose: str) -> str:
    if "?" in prose:
        prose = QUERY.sub(_bare, prose)
    if "![" in prose:
        prose = PIXEL.sub("", prose)
    if "<img" in prose.lower():
        prose = HTML_PIXEL.sub("", prose)
    return prose


def _bare(address: re.Match[str]) -> str:
    query = without_tracking(address["query"], address["host"])
    return f"{address['page']}?{query}" if query else address["page"]
