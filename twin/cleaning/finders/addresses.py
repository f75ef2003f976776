"""Where people and machines are reached: electronic mail, also when it is spelt out, and public IP addresses."""

from __future__ import annotations

import ipaddress
import re
from functools import cache
from typing import TYPE_CHECKING

from twin.cleaning.finders.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["emails", "ip_addresses", "spelt_emails"]

EMAIL_AT = re.compile(r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,6}([A-Za-z]{2,24})(?![A-Za-z0-9_@(\[])")
EMAIL_LOCAL_CHARS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+-")
MAX_EMAIL_LOCAL_CHARS = 64
SPELT_AT = re.compile(
    r"(?: ?[\[({] ?at ?[\])}] ?| at )"
    r"([A-Za-z0-9-]{2,40}(?:(?: ?[\[({] ?dot ?[\])}] ?| dot |\.)[A-Za-z0-9-]{2,40}){0,2})"
    r"(?P<dot> ?[\[({] ?dot ?[\])}] ?| dot |\.)([A-Za-z]{2,24})(?![A-Za-z0-9_@(\[-])",
    re.IGNORECASE,
)
SPELT_MARK = re.compile(r"[\[({] ?(?:[aA][tT]|[dD][oO][tT]) ?[\])}]")
COMMON_TOP_LEVEL = frozenset(
    {
        "com", "org", "net", "edu", "gov", "mil", "int", "info", "biz", "name", "pro", "mobi", "jobs", "museum",
        "travel", "dev", "app", "tech", "online", "site", "store", "shop", "blog", "cloud", "email", "xyz", "club",
        "live", "news", "space", "world", "agency", "studio", "design", "digital", "academy", "systems",
        "solutions", "software", "network", "media", "group", "team", "work", "company", "consulting",
        "engineering", "science", "education", "institute", "university", "finance", "legal", "health",
    }
)  # fmt: skip
RESERVED_DOMAINS = ("example.com", "example.org", "example.net", "example.edu", "domain.com", "your-domain.com")
"""Nobody's mail arrives at these: they are for examples (RFC 2606), or stand for one."""
ROLE_ACCOUNTS = frozenset({"git", "noreply", "no-reply"})
LABELS = frozenset({"this", "super", "return", "break", "continue"})
"""What stands before the @ of a label in Kotlin: `this@Outer.is`."""
NO_COUNTRY_CODES = frozenset({"uk", "eu", "su", "gs", "tf", "pn", "aq"})
"""Domains of two letters that no telephone number has a region for."""
PATH_AFTER = re.compile(r":(?:[/~]|[\w.-]{1,100}/|[\w.-]{1,100}\.git\b)")
"""After the host that a program logs in to, `ada@host.org:/srv` or `git@host.org:a/b`; not before a password."""
LOGIN_BEFORE = re.compile(
    r"\b(?:ssh|scp|sftp|rsync|mosh|autossh|ssh-copy-id)(?: -[\w-]{1,30}(?:[ =][\w./~-]{1,60})?){0,6}"
    r"(?: (?:\.{1,2}/?|[\w.~/-]{0,60}[./]\w[\w./-]{0,60}))? $"
)
"""A command with its options, and a file at most: `ssh -p 22 ada@host.org`."""
LINE_CHARS = 100

IPV4 = re.compile(r"\d(?<![\w.-]\d)\d{0,2}(?:\.\d{1,3}){3}(?!\w|\.\d|-\w)")
IPV6_MIDDLE = re.compile(r":[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{0,4}(?=:)")
IPV6_CHARS = frozenset("0123456789abcdefABCDEF:")
MAX_IPV6_CHARS = 39
PUBLIC_RESOLVERS = frozenset(
    {"8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "208.67.222.222", "208.67.220.220"}
)
NETWORK_WORDS = re.compile(
    r"\b(?:ip(?:v[46])?|addr(?:ess)?|host|server|client|from|peer|remote|port|ssh|ping|forwarded|login|log|connect\w*|curl|get|post"
    r"|visitor|user)\b|://$|@$",
    re.IGNORECASE,
)
NETWORK_AFTER = re.compile(r":\d{2,5}\b| - - \[|/\d{1,2}\b| port\b")
NETWORK_CHARS = 32
"""Around four numbers with dots, before which they are an address and not a version."""


def emails(text: str) -> Iterator[Finding]:
    """Addresses of electronic mail at which somebody may be reached."""
    for found in EMAIL_AT.finditer(text):
        start = found.start()
        earliest = max(0, start - MAX_EMAIL_LOCAL_CHARS)
        while start > earliest and text[start - 1] in EMAIL_LOCAL_CHARS:
            start -= 1
        while start < found.start() and text[start] in ".%+-":
            start += 1
        local, domain = text[start : found.start()].lower(), found[0][1:].lower()
        if not local or not _is_mail_domain(found[1]) or _is_no_person(local, domain):
            continue
        if not _is_code(text, start, found.end(), local):
            yield Finding("EMAIL", start, found.end())


def spelt_emails(text: str) -> Iterator[Finding]:
    """Addresses of electronic mail that are spelt out against robots: `ada [at] letterbox [dot] org`."""
    if " dot " not in text and not SPELT_MARK.search(text):
        return
    for found in SPELT_AT.finditer(text):
        spelt = found[0].lower()
        only_dot_is_plain = found["dot"] == "."
        if (only_dot_is_plain and not re.match(r" ?[\[({]", spelt)) or not _is_mail_domain(found[3]):
            continue
        start = found.start()
        earliest = max(0, start - MAX_EMAIL_LOCAL_CHARS)
        while start > earliest and text[start - 1] in EMAIL_LOCAL_CHARS:
            start -= 1
        if start < found.start():
            yield Finding("EMAIL", start, found.end())


def ip_addresses(text: str) -> Iterator[Finding]:
    """Public addresses of machines. Private ones, ranges for examples and public resolvers are nobody's."""
    for found in IPV4.finditer(text):
        if _is_public(found[0]) and _is_in_network(text, found.start(), found.end()):
            yield Finding("IP_ADDRESS", found.start(), found.end())
    end = 0
    for found in IPV6_MIDDLE.finditer(text):
        if found.start() < end:
            continue
        start, end = found.start(), found.end()
        while start and text[start - 1] in IPV6_CHARS and end - start <= MAX_IPV6_CHARS:
            start -= 1
        while end < len(text) and text[end] in IPV6_CHARS and end - start <= MAX_IPV6_CHARS:
            end += 1
        touched = text[start - 1 : start].isalnum() or text[end : end + 1].isalnum()
        if not touched and _is_public(text[start:end].rstrip(":")):
            yield Finding("IP_ADDRESS", start, start + len(text[start:end].rstrip(":")))


def _is_mail_domain(top_level: str) -> bool:
    """Whether mail goes there. Code has many an `a@b.c` that is a matrix product, such as `q@k.mT`."""
    if not (top_level.islower() or top_level.isupper() or top_level.istitle()):
        return False
    return top_level.lower() in COMMON_TOP_LEVEL or top_level.lower() in _country_domains()


@cache
def _country_domains() -> frozenset[str]:
    from phonenumbers import SUPPORTED_REGIONS

    return NO_COUNTRY_CODES.union(map(str.lower, SUPPORTED_REGIONS))


def _is_code(text: str, start: int, end: int, local: str) -> bool:
    """Whether what looks like an address is none: part of a TeX macro (`\\tikz@lib.is`), of a name in the Fediverse
    (`@ada@fosstodon.org`), a part of a message (`cid:`), a label in Kotlin, or where a program logs in."""
    if text[start - 1 : start] in ("\\", "@") or text[max(0, start - 4) : start].lower() == "cid:" or local in LABELS:
        return True
    if PATH_AFTER.match(text, end):
        return True
    return LOGIN_BEFORE.search(text[max(0, start - LINE_CHARS) : start]) is not None


def _is_no_person(local: str, domain: str) -> bool:
    return local in ROLE_ACCOUNTS or any(domain == name or domain.endswith(f".{name}") for name in RESERVED_DOMAINS)


def _is_public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global and address not in PUBLIC_RESOLVERS
    except ValueError:
        return False


def _is_in_network(text: str, start: int, end: int) -> bool:
    before = text[max(0, start - NETWORK_CHARS) : start].rpartition("\n")[2]
    return NETWORK_AFTER.match(text, end) is not None or NETWORK_WORDS.search(before) is not None
