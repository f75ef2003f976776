"""What links carry to watch readers: tracking parameters, and images of one pixel."""

from __future__ import annotations

import re

from twin.cleaning.markdown import map_prose

__all__ = ["without_trackers"]

TRACKING = re.compile(
    r"utm_\w{1,40}|fbclid|gclid|gclsrc|dclid|wbraid|gbraid|msclkid|mc_[ce]id|igshid|igsh|yclid|_hsenc|_hsmi|_ga|_gl"
    r"|ref_src|ref_url|twclid|ttclid|li_fat_id|oly_(?:anon|enc)_id|vero_id|mkt_tok|s_cid|__s|referrerSource"
)
QUERY = re.compile(
    r"(?P<page>https?://[^\s()\[\]<>\"'?#]{1,2000})\?(?P<query>[^\s()\[\]<>\"'#]{0,4000}[^\s()\[\]<>\"'#.,;:!?])"
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
        prose = QUERY.sub(_without_tracking, prose)
    if "![" in prose:
        prose = PIXEL.sub("", prose)
    if "<img" in prose.lower():
        prose = HTML_PIXEL.sub("", prose)
    return prose


def _without_tracking(address: re.Match[str]) -> str:
    pairs = address["query"].split("&")
    kept = [pair for pair in pairs if not TRACKING.fullmatch(pair.partition("=")[0])]
    if len(kept) == len(pairs):
        return address[0]
    return f"{address['page']}?{'&'.join(kept)}" if kept else address["page"]
