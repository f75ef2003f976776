"""Secrets and personal data in text: where they are, and placeholders for them.

The patterns prefer precision: what is found is checked (Luhn, IBAN's mod 97, known prefixes, known top-level domains),
so that an author's numbers and names stay. Every pattern starts at a fixed mark and has bounded repeats, so that the
time is linear in the text whatever the text is. Found values are never logged, and never leave this module.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Finding", "find_personal_data", "redact"]


class Finding(NamedTuple):
    """One secret or piece of personal data, by its place; the value is not in it."""

    kind: str
    start: int
    end: int


# Patterns start with their rarest fixed mark, and what must stand before it is checked afterwards: the engine skips
# from mark to mark instead of trying at every character, which is ten times as fast.
PRIVATE_KEY_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
PRIVATE_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
MAX_PRIVATE_KEY_CHARS = 16_384
KEY_MATERIAL = re.compile(r"(?:[\s\"'>#\\n]{0,8}[A-Za-z0-9+/=]{16,128}){1,300}")

API_KEY_MARKS = {
    "AKIA": ("AWS_KEY", r"[0-9A-Z]{16}"),
    "ASIA": ("AWS_KEY", r"[0-9A-Z]{16}"),
    "sk-": ("API_KEY", r"[A-Za-z0-9_-]{20,200}"),
    "sk_live_": ("API_KEY", r"[A-Za-z0-9]{16,120}"),
    "sk_test_": ("API_KEY", r"[A-Za-z0-9]{16,120}"),
    "rk_live_": ("API_KEY", r"[A-Za-z0-9]{16,120}"),
    "ghp_": ("API_KEY", r"[A-Za-z0-9]{36,255}"),
    "gho_": ("API_KEY", r"[A-Za-z0-9]{36,255}"),
    "ghs_": ("API_KEY", r"[A-Za-z0-9]{36,255}"),
    "ghu_": ("API_KEY", r"[A-Za-z0-9]{36,255}"),
    "github_pat_": ("API_KEY", r"[A-Za-z0-9_]{40,255}"),
    "glpat-": ("API_KEY", r"[A-Za-z0-9_-]{20,64}"),
    "xox": ("API_KEY", r"[abeoprs]-[A-Za-z0-9-]{10,250}"),
    "AIza": ("API_KEY", r"[A-Za-z0-9_-]{35}"),
    "hf_": ("API_KEY", r"[A-Za-z0-9]{30,64}"),
    "npm_": ("API_KEY", r"[A-Za-z0-9]{36}"),
    "pypi-AgE": ("API_KEY", r"[A-Za-z0-9_-]{40,255}"),
    "SG.": ("API_KEY", r"[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}"),
    "eyJ": ("API_KEY", r"[A-Za-z0-9_-]{10,1000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000}"),
}
"""What known keys start with, their kind, and what follows."""
API_KEY_RESTS = {mark: re.compile(rest + r"(?![A-Za-z0-9_-])") for mark, (_, rest) in API_KEY_MARKS.items()}
KEY_CHAR = re.compile(r"[A-Za-z0-9_-]")

ASSIGNED_VALUE = re.compile(
    r"[=:]>?[ \t]{0,3}(?P<value>\"[^\"\s]{16,200}\"|'[^'\s]{16,200}'|(?<==)[A-Za-z0-9+/_.~-]{20,200}={0,2}(?![\w(.\[]))"
)
SECRET_NAME = re.compile(
    r"(?:api[_-]?key|access[_-]?key|secret|token|passw(?:or)?d|credential)(?:[_-][a-z_-]{0,20})?[\"']?[ \t]{0,3}:?$",
    re.IGNORECASE,
)
MAX_SECRET_NAME_CHARS = 48
URL_CREDENTIALS = re.compile(r"://([^\s/:@\[\]{}<>$*\"'`]{1,64}:[^\s/:@\[\]{}<>$*\"'`]{1,128})@[A-Za-z0-9\[]")
EMAIL_AT = re.compile(r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,6}([A-Za-z]{2,24})(?![A-Za-z0-9_@(\[])")
EMAIL_LOCAL_CHARS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+-")
MAX_EMAIL_LOCAL_CHARS = 64
IBAN = re.compile(r"[A-Z](?<![A-Za-z0-9][A-Z])[A-Z]\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")

NUMBER_SPAN = re.compile(r"\d(?:[ ().-]{0,2}\d){8,64}")
"""Nine digits and more that may be one number; the patterns below look only there."""
NUMBER_MARGIN = 4
NO_MORE = r"(?![\w/=]|[.,-]\d)"
NUMBERS = (
    ("CREDIT_CARD", re.compile(r"(?<![\w.,/=+-])[2-6]\d{3}(?:[ -]?\d){8,14}\d" + NO_MORE)),
    ("SSN", re.compile(r"(?<![\w./=-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}" + NO_MORE)),
    ("PHONE", re.compile(r"(?<![\w.+/=-])\+[1-9]\d{0,2}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d(?:[ .-]?\d){5,12}" + NO_MORE)),
    ("PHONE", re.compile(r"(?<![\w.+/=-])00[1-9]\d[ .-](?:\(\d{1,4}\)[ .-]?)?\d(?:[ .-]?\d){5,11}" + NO_MORE)),
    ("PHONE", re.compile(r"(?<![\w.+/=(-])(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[-.])[2-9]\d{2}[-.]\d{4}" + NO_MORE)),
)

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
IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "CH": 21, "CY": 28,
    "CZ": 24, "DE": 22, "DK": 18, "EE": 20, "ES": 24, "FI": 18, "FR": 27, "GB": 22, "GE": 22, "GR": 27, "HR": 21,
    "HU": 28, "IE": 22, "IL": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MT": 31, "NL": 18, "NO": 15, "PK": 24, "PL": 28,
    "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "TN": 24, "TR": 26,
    "UA": 29,
}  # fmt: skip
MIN_SECRET_ENTROPY = 3.0
"""Bits a character, within the value. Repetitive stand-ins such as `xxxxxxxx1` have less; random keys have more."""


def find_personal_data(text: str) -> list[Finding]:
    """Where secrets and personal data are, in order and without overlaps. Placeholders are not found again."""
    found = ((finding, priority) for priority, find in enumerate(_FINDERS) for finding in find(text))
    findings: list[Finding] = []
    end = 0
    for finding, _ in sorted(found, key=lambda one: (one[0].start, one[1])):
        if finding.start >= end:
            findings.append(finding)
            end = finding.end
    return findings


def redact(text: str) -> tuple[str, Counter[str]]:
    """The text with a placeholder such as `[EMAIL]` for each finding, and how many there were of each kind."""
    findings = find_personal_data(text)
    pieces: list[str] = []
    position = 0
    for finding in findings:
        pieces += [text[position : finding.start], f"[{finding.kind}]"]
        position = finding.end
    return "".join([*pieces, text[position:]]), Counter(finding.kind for finding in findings)


def _private_keys(text: str) -> Iterator[Finding]:
    end = 0
    for begin in PRIVATE_KEY_BEGIN.finditer(text):
        if begin.start() < end:
            continue
        limit = begin.end() + MAX_PRIVATE_KEY_CHARS
        fence = text.find("```", begin.end(), limit)
        closing = PRIVATE_KEY_END.search(text, begin.end(), fence if fence >= 0 else limit)
        material = KEY_MATERIAL.match(text, begin.end())
        end = (closing or material or begin).end()
        yield Finding("PRIVATE_KEY", begin.start(), end)


def _api_keys(text: str) -> Iterator[Finding]:
    for mark, (kind, _) in API_KEY_MARKS.items():
        start = text.find(mark)
        while start >= 0:
            found = None
            if not (start and KEY_CHAR.match(text, start - 1)):
                found = API_KEY_RESTS[mark].match(text, start + len(mark))
            if found and any(char.isdigit() for char in found[0]):
                yield Finding(kind, start, found.end())
            start = text.find(mark, found.end() if found else start + len(mark))


def _assigned_secrets(text: str) -> Iterator[Finding]:
    for found in ASSIGNED_VALUE.finditer(text):
        start, end = found.span("value")
        quoted = text[start] in "\"'"
        before = text[max(0, found.start() - MAX_SECRET_NAME_CHARS) : found.start()]
        if SECRET_NAME.search(before) and _looks_random(text[start + quoted : end - quoted]):
            yield Finding("SECRET", start + quoted, end - quoted)


def _looks_random(value: str) -> bool:
    """Whether it mixes digits and letters as keys do, and stands for no other value as `${TOKEN}` does."""
    if any(mark in value for mark in "{}<>[]$*()"):
        return False
    if not any(char.isdigit() for char in value) or not any(char.isalpha() for char in value):
        return False
    counts = Counter(value).values()
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts) >= MIN_SECRET_ENTROPY


def _url_credentials(text: str) -> Iterator[Finding]:
    for found in URL_CREDENTIALS.finditer(text):
        yield Finding("CREDENTIALS", *found.span(1))


def _emails(text: str) -> Iterator[Finding]:
    for found in EMAIL_AT.finditer(text):
        start = found.start()
        earliest = max(0, start - MAX_EMAIL_LOCAL_CHARS)
        while start > earliest and text[start - 1] in EMAIL_LOCAL_CHARS:
            start -= 1
        while start < found.start() and text[start] in ".%+-":
            start += 1
        local, domain = text[start : found.start()].lower(), found[0][1:].lower()
        if local and _is_mail_domain(found[1].lower()) and not _is_no_person(local, domain):
            yield Finding("EMAIL", start, found.end())


def _is_mail_domain(top_level: str) -> bool:
    """Whether mail goes there. Code has many an `a@b.c` that is a matrix product."""
    return len(top_level) == 2 or top_level in COMMON_TOP_LEVEL


def _is_no_person(local: str, domain: str) -> bool:
    return local in ROLE_ACCOUNTS or any(domain == name or domain.endswith(f".{name}") for name in RESERVED_DOMAINS)


def _ibans(text: str) -> Iterator[Finding]:
    for found in IBAN.finditer(text):
        if _is_iban(found[0].replace(" ", "")):
            yield Finding("IBAN", found.start(), found.end())


def _is_iban(iban: str) -> bool:
    if IBAN_LENGTHS.get(iban[:2]) != len(iban):
        return False
    return int("".join(str(int(char, 36)) for char in iban[4:] + iban[:4])) % 97 == 1


def _numbers(text: str) -> Iterator[Finding]:
    """Card, social security and telephone numbers."""
    for span in NUMBER_SPAN.finditer(text):
        first, last = max(0, span.start() - NUMBER_MARGIN), span.end() + NUMBER_MARGIN
        for kind, pattern in NUMBERS:
            for found in pattern.finditer(text, first, last):
                if _is_number_of(kind, found[0]):
                    yield Finding(kind, found.start(), found.end())


def _is_number_of(kind: str, number: str) -> bool:
    digits = [int(char) for char in number if char.isdigit()]
    if kind == "CREDIT_CARD":
        doubled = (digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[-2::-2])
        return len(set(digits)) > 1 and (sum(digits[::-2]) + sum(doubled)) % 10 == 0
    if kind == "PHONE":
        # Nine digits without a space or dash after the plus sign are more likely a sum than a telephone
        return len(digits) <= 15 and len(digits) >= (10 if number[1:].isdigit() else 9)
    return True


_FINDERS: tuple[Callable[[str], Iterator[Finding]], ...] = (
    _private_keys,
    _url_credentials,
    _api_keys,
    _assigned_secrets,
    _emails,
    _ibans,
    _numbers,
)
"""In order of priority where two start at one place."""
