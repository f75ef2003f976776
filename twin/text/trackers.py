"""What links carry to watch readers: tracking parameters, of which this is the one list, and images of one pixel.

`courlan`, which is installed with trafilatura, has a list of parameters as well; it drops `source`, `keyword` and
`session` on every host, where they may lead to another page.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from twin.text.markdown import map_prose

__all__ = ["query_without_trackers", "without_trackers"]

EVERYWHERE = re.compile(
    r"utm_\w{1,40}|fbclid|gclid|gclsrc|dclid|wbraid|gbraid|msclkid|mc_[ce]id|igshid|igsh|yclid|ysclid|_hsenc|_hsmi|_ga|_gl"
    r"|ref_src|ref_url|twclid|ttclid|li_fat_id|oly_(?:anon|enc)_id|vero_id|mkt_tok|s_cid|__s|referrersource|mibextid"
)
AT_HOSTS = {
    "youtube.com": frozenset({"si", "feature"}),
    "youtu.be": frozenset({"si", "feature"}),
    "spotify.com": frozenset({"si"}),
    "medium.com": frozenset({"source"}),
    "twitter.com": frozenset({"s", "t"}),
    "x.com": frozenset({"s", "t"}),
    "linkedin.com": frozenset({"trk", "trackingid", "lipi", "rcm"}),
    "reddit.com": frozenset({"share_id"}),
}
"""Names that track at these hosts and at those below them, and mean something elsewhere."""
NONE: frozenset[str] = frozenset()

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


def query_without_trackers(query: str, host: str) -> str:
    """A query (`a=1&b=2`) without its tracking parameters; the others stay as they are and in their places."""
    own = _names_at(host)
    return "&".join(pair for pair in query.split("&") if not _is_tracking(pair, own))


def _without_trackers(prose: str) -> str:
    if "?" in prose:
        prose = QUERY.sub(_bare, prose)
    if "![" in prose:
        prose = PIXEL.sub("", prose)
    if "<img" in prose.lower():
        prose = HTML_PIXEL.sub("", prose)
    return prose


def _bare(address: re.Match[str]) -> str:
    query = query_without_trackers(address["query"], address["host"])
    return f"{address['page']}?{query}" if query else address["page"]


def _names_at(host: str) -> frozenset[str]:
    labels = host.lower().split(".")
    below = (".".join(labels[start:]) for start in range(max(0, len(labels) - 3), len(labels) - 1))
    return next((AT_HOSTS[name] for name in below if name in AT_HOSTS), NONE)


def _is_tracking(pair: str, own: frozenset[str]) -> bool:
    name = unquote_to_bytes(pair.partition("=")[0]).decode("latin-1").lower()
    return name in own or EVERYWHERE.fullmatch(name) is not None
