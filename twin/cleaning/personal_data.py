"""Secrets and personal data in text: where they are, and placeholders for them.

The patterns prefer precision: what is found is checked (Luhn, IBAN's mod 97, known prefixes, known top-level domains), so
that an author's numbers and names stay. Every pattern starts at a fixed mark or has bounded repeats, so that the time is
linear in the text whatever the text is. Found values are never logged, and never leave this module.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["KINDS", "Finding", "find_personal_data", "redact"]


class Finding(NamedTuple):
    """One secret or piece of personal data, by its place; the value is not in it."""

    kind: str
    start: int
    end: int


PRIVATE_KEY_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
PRIVATE_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
MAX_PRIVATE_KEY_CHARS = 16_384
KEY_MATERIAL = re.compile(r"(?:[\s\"'>#\\n]{0,8}[A-Za-z0-9+/=]{16,128}){1,300}")

AWS_KEY = re.compile(r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[0-9A-Z]{16}(?![A-Za-z0-9])")
API_KEY = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"sk-[A-Za-z0-9_-]{20,200}"
    r"|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,120}"
    r"|gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{40,255}|glpat-[A-Za-z0-9_-]{20,64}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,250}"
    r"|AIza[A-Za-z0-9_-]{35}"
    r"|hf_[A-Za-z0-9]{30,64}|npm_[A-Za-z0-9]{36}|pypi-AgE[A-Za-z0-9_-]{40,255}"
    r"|SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}"
    r"|eyJ[A-Za-z0-9_-]{10,1000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000}"
    r")(?![A-Za-z0-9_-])"
)
ASSIGNED_SECRET = re.compile(
    r"(?:api[_-]?key|access[_-]?key|secret|token|passw(?:or)?d|credential)[a-z_]{0,20}[\"']?\s{0,3}(?:=>|:=|=|:)\s{0,3}"
    r"(?P<value>\"[^\"\s]{16,200}\"|'[^'\s]{16,200}'|(?<==)[A-Za-z0-9+/_.~-]{20,200}={0,2}(?![\w(.\[]))",
    re.IGNORECASE,
)
URL_CREDENTIALS = re.compile(r"(?<=://)[^\s/:@\[\]{}<>$*\"'`]{1,64}:[^\s/:@\[\]{}<>$*\"'`]{1,128}(?=@[A-Za-z0-9\[])")
EMAIL_AT = re.compile(
    r"(?<=[A-Za-z0-9_+-])@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,6}([A-Za-z]{2,24})(?![A-Za-z0-9_@(\[])"
)
EMAIL_LOCAL_CHARS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+-")
MAX_EMAIL_LOCAL_CHARS = 64
CARD_NUMBER = re.compile(r"(?<![\w.,/=+-])[2-6]\d{3}(?:[ -]?\d){8,14}\d(?![\w/=]|[.,-]\d)")
IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
PHONE_INTERNATIONAL = re.compile(
    r"(?<![\w.+/=-])(?:\+|00(?=[1-9]\d[ .-]))[1-9]\d{0,2}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d(?:[ .-]?\d){5,12}(?![\w/=]|[.,-]\d)"
)
PHONE_NORTH_AMERICAN = re.compile(
    r"(?<![\w.+/=(-])(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[-.])[2-9]\d{2}[-.]\d{4}(?![\w/=]|[.,-]\d)"
)
SOCIAL_SECURITY = re.compile(r"(?<![\w./=-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w/=]|[.,-]\d)")

COMMON_TOP_LEVEL = frozenset(
    [
        "com",
        "org",
        "net",
        "edu",
        "gov",
        "mil",
        "int",
        "info",
        "biz",
        "name",
        "pro",
        "mobi",
        "jobs",
        "museum",
        "travel",
        "dev",
        "app",
        "tech",
        "online",
        "site",
        "store",
        "shop",
        "blog",
        "cloud",
        "email",
        "xyz",
        "club",
        "live",
        "news",
        "space",
        "world",
        "agency",
        "studio",
        "design",
        "digital",
        "academy",
        "systems",
        "solutions",
        "software",
        "network",
        "media",
        "group",
        "team",
        "work",
        "company",
        "consulting",
        "engineering",
        "science",
        "education",
        "institute",
        "university",
        "finance",
        "legal",
        "health",
    ]
)
RESERVED_DOMAINS = ("example.com", "example.org", "example.net", "example.edu", "domain.com", "your-domain.com")
"""Nobody's mail arrives at these: they are for examples (RFC 2606), or stand for one."""
ROLE_ACCOUNTS = frozenset({"git", "noreply", "no-reply"})
IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "CH": 21, "CY": 28, "CZ": 24,
    "DE": 22, "DK": 18, "EE": 20, "ES": 24, "FI": 18, "FR": 27, "GB": 22, "GE": 22, "GR": 27, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27,
    "MD": 24, "ME": 22, "MK": 19, "MT": 31, "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PT": 25, "QA": 29, "RO": 24, "RS": 22,
    "SA": 24, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "TN": 24, "TR": 26, "UA": 29,
}  # fmt: skip
MIN_SECRET_ENTROPY = 3.0
"""Bits a character. English words have about 2.5 to 3.5 with one case and no digits; random keys of 16 have 3.5 and more."""


def find_personal_data(text: str) -> list[Finding]:
    """Where secrets and personal data are, in order and without overlaps. Placeholders are not found again."""
    candidates = sorted(
        (finding.start, priority, finding) for priority, find in enumerate(_FINDERS) for finding in find(text)
    )
    findings: list[Finding] = []
    end = 0
    for start, _, finding in candidates:
        if start >= end:
            findings.append(finding)
            end = finding.end
    return findings


def redact(text: str) -> tuple[str, Counter[str]]:
    """The text with a placeholder such as `[EMAIL]` for each finding, and how many there were of each kind."""
    findings = find_personal_data(text)
    if not findings:
        return text, Counter()
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
        end = closing.end() if closing else material.end() if material else begin.end()
        yield Finding("PRIVATE_KEY", begin.start(), end)


def _emails(text: str) -> Iterator[Finding]:
    for found in EMAIL_AT.finditer(text):
        start = found.start()
        earliest = max(0, start - MAX_EMAIL_LOCAL_CHARS)
        while start > earliest and text[start - 1] in EMAIL_LOCAL_CHARS:
            start -= 1
        while start < found.start() and text[start] in ".%+-":
            start += 1
        local, domain = text[start : found.start()].lower(), found[0][1:].lower()
        if local and _is_mail_domain(domain, found[1].lower()) and not _is_no_person(local, domain):
            yield Finding("EMAIL", start, found.end())


def _is_mail_domain(domain: str, top_level: str) -> bool:
    """Whether mail goes there. Code has many an `a@b.c` that is a matrix product."""
    return len(top_level) == 2 or top_level in COMMON_TOP_LEVEL


def _is_no_person(local: str, domain: str) -> bool:
    return local in ROLE_ACCOUNTS or any(domain == name or domain.endswith(f".{name}") for name in RESERVED_DOMAINS)


def _matches(kind: str, pattern: re.Pattern[str], holds: Callable[[str], bool]) -> Callable[[str], Iterator[Finding]]:
    def find(text: str) -> Iterator[Finding]:
        for found in pattern.finditer(text):
            if holds(found[0]):
                yield Finding(kind, found.start(), found.end())

    return find


def _assigned_secrets(text: str) -> Iterator[Finding]:
    for found in ASSIGNED_SECRET.finditer(text):
        start, end = found.span("value")
        quoted = text[start] in "\"'"
        value = text[start + 1 : end - 1] if quoted else text[start:end]
        if _looks_random(value):
            yield Finding("SECRET", start + quoted, end - quoted)


def _looks_random(value: str) -> bool:
    """Digits and letters mixed without words or placeholders in it."""
    if any(mark in value for mark in "{}<>[]$*() "):
        return False
    if not any(char.isdigit() for char in value) or not any(char.isalpha() for char in value):
        return False
    counts = Counter(value)
    entropy = -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())
    return entropy >= MIN_SECRET_ENTROPY


def _has_digit(value: str) -> bool:
    return any(char.isdigit() for char in value)


def _passes_luhn(number: str) -> bool:
    digits = [int(char) for char in number if char.isdigit()]
    doubled = (digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[-2::-2])
    return len(set(digits)) > 2 and (sum(digits[::-2]) + sum(doubled)) % 10 == 0


def _is_iban(text: str) -> bool:
    iban = text.replace(" ", "")
    if IBAN_LENGTHS.get(iban[:2]) != len(iban):
        return False
    rearranged = iban[4:] + iban[:4]
    return int("".join(str(int(char, 36)) for char in rearranged)) % 97 == 1


def _is_phone(text: str) -> bool:
    digits = sum(char.isdigit() for char in text)
    return 9 <= digits <= 15 and (digits >= 10 or not text[1:].isdigit())


def _always(_: str) -> bool:
    return True


_FINDERS: tuple[Callable[[str], Iterator[Finding]], ...] = (
    _private_keys,
    _matches("CREDENTIALS", URL_CREDENTIALS, _always),
    _matches("AWS_KEY", AWS_KEY, _always),
    _matches("API_KEY", API_KEY, _has_digit),
    _assigned_secrets,
    _emails,
    _matches("IBAN", IBAN, _is_iban),
    _matches("CREDIT_CARD", CARD_NUMBER, _passes_luhn),
    _matches("SSN", SOCIAL_SECURITY, _always),
    _matches("PHONE", PHONE_INTERNATIONAL, _is_phone),
    _matches("PHONE", PHONE_NORTH_AMERICAN, _always),
)
"""In order of priority where two start at one place."""

KINDS = ("PRIVATE_KEY", "CREDENTIALS", "AWS_KEY", "API_KEY", "SECRET", "EMAIL", "IBAN", "CREDIT_CARD", "SSN", "PHONE")
