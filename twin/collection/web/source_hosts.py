"""Whom a source's documents are asked of."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

__all__ = ["host_of"]

SCP_LIKE = re.compile(r"[\w.-]+@([\w.-]+):")


def host_of(location: str) -> str | None:
    """The host that a location is on, in lower case and with its port; None for a place on this machine."""
    if scp_like := SCP_LIKE.match(location):
        return scp_like[1].lower()
    if "://" not in location:
        return None
    try:
        parts = urlsplit(location)
    except ValueError:  # a broken IPv6 address
        return None
    return parts.netloc.rpartition("@")[2].lower() or None
