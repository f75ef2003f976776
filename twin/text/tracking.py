"""Parameters of addresses that watch readers and lead nowhere else: the one list of them.

`courlan`, which is installed with trafilatura, has one as well; it drops `source`, `keyword` and `session` on every
host, where they may lead to another page.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

__all__ = ["without_tracking"]

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


def without_tracking(query: str, host: str) -> str:
    """A query (`a=1&b=2`) without its tracking parameters; the others stay as they are and in their places."""
    own = _names_at(host)
    return "&".join(pair for pair in query.split("&") if not _is_tracking(pair, own))


def _names_at(host: str) -> frozenset[str]:
    labels = host.lower().split(".")
    below = (".".join(labels[start:]) for start in range(max(0, len(labels) - 3), len(labels) - 1))
    return next((AT_HOSTS[name] for name in below if name in AT_HOSTS), NONE)


def _is_tracking(pair: str, own: frozenset[str]) -> bool:
    name = unquote_to_bytes(pair.partition("=")[0]).decode("latin-1").lower()
    return name in own or EVERYWHERE.fullmatch(name) is not None
