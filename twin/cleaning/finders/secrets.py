"""Private keys, passwords in URLs, and values that are assigned to names such as `api_key`."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

from twin.cleaning.finders.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["assigned_secrets", "private_keys", "url_credentials"]

PRIVATE_KEY_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
PRIVATE_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
MAX_PRIVATE_KEY_CHARS = 16_384
KEY_MATERIAL = re.compile(r"(?:[\s\"'>#\\n]{0,8}[A-Za-z0-9+/=]{16,128}){1,300}")

ASSIGNED_VALUE = re.compile(
    r"[=:]>?[ \t]{0,3}(?P<value>\"[^\"\s]{8,200}\"|'[^'\s]{8,200}'"
    r"|[A-Za-z0-9+_.~!@#%^-][A-Za-z0-9+/_.~!@#%^&-]{7,199}={0,2}(?=[\s;,\"'&)}]|$))"
)
SECRET_NAME = re.compile(
    r"(?:api[_-]?key|access[_-]?key|secret|token|credential|(?:encryption|auth|account|signing|private)[_-]?key"
    r"|(?P<password>passw(?:or)?d|passphrase|pwd|(?<![A-Za-z])pass))(?:[_-][a-z_-]{0,20})?[\"']?\]?[ \t]{0,3}[=:!]?$",
    re.IGNORECASE,
)
OPTION = re.compile(
    r"--(?:api-key|secret(?:-key)?|token|(?P<password>passw(?:or)?d|pass))(?:=| {1,3})(?P<value>[^\s\"'`$<{(\[]{8,200})"
)
"""A secret that is given to a command."""
IDENTIFIER = re.compile(r"_*[A-Za-z]+\d{0,3}(?:_[A-Za-z]*\d{0,3})+")
"""A name of a variable, with a number perhaps."""
ABOUT_A_SECRET = re.compile(
    r"[_-](?:type|name|ur[il]|path|file|count|limit|ttl|id)s?[\"']?\]?[ \t]{0,3}[=:!]?$", re.IGNORECASE
)
"""A name of what is no secret itself."""
MAX_NAME_CHARS = 48
MIN_SECRET_CHARS = 16
"""Passwords are shorter than other secrets: for them, eight characters are enough."""
MIN_SECRET_ENTROPY = 3.0
MIN_PASSWORD_ENTROPY = 2.5
"""Bits a character, within the value. Repetitive stand-ins such as `xxxxxxxx1` have less; random keys have more."""
STANDS_FOR_ANOTHER = re.compile(
    r"[{}<>\[\]$*()…]|\.\.\.|://|^(?:your|my|some|the|test|dummy|fake|sample|change|insert|replace|add|todo|env)(?![a-z])"
    r"|your[_-]|_here\b|example|changeme|placeholder|redacted|xxxx|1234567",
    re.IGNORECASE,
)

URL_CREDENTIALS = re.compile(
    r"://([^\s/:@\[\]{}<>$*\"'`]{0,64}:[^\s/:@\[\]{}<>$*\"'`]{1,128})@(?P<host>[A-Za-z0-9\[.-]{1,80})"
)
MENTIONED = frozenset(
    {
        "password", "passwd", "pass", "pwd", "pw", "secret", "token", "changeme", "example", "postgres", "root",
        "admin", "x", "xxx", "xxxx", "guest", "minioadmin", "p", "test", "mypassword", "yourpassword", "your-password",
        "your_password",
    }
)  # fmt: skip
"""What stands in a URL to show where a password goes, or is known to everybody."""
RESERVED_HOSTS = re.compile(r"(?:[a-z0-9-]+\.)*example\.(?:com|org|net|edu)$", re.IGNORECASE)


def private_keys(text: str) -> Iterator[Finding]:
    """Private keys in PEM or OpenSSH form, and the beginning of one that is cut off."""
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


def assigned_secrets(text: str) -> Iterator[Finding]:
    """Values that look random and are assigned to, or compared with, something that is named like a secret."""
    for found in ASSIGNED_VALUE.finditer(text):
        name = SECRET_NAME.search(text[max(0, found.start() - MAX_NAME_CHARS) : found.start()])
        if not name or ABOUT_A_SECRET.search(name[0]):
            continue
        start, end = found.span("value")
        quoted = text[start] in "\"'"
        value = text[start + quoted : end - quoted]
        if not quoted and IDENTIFIER.fullmatch(value):
            continue
        if _is_secret(value, is_password=name["password"] is not None):
            yield Finding("SECRET", start + quoted, end - quoted)
    for found in OPTION.finditer(text):
        if _is_secret(found["value"], is_password=found["password"] is not None):
            yield Finding("SECRET", *found.span("value"))


def url_credentials(text: str) -> Iterator[Finding]:
    """Names with passwords in URLs."""
    for found in URL_CREDENTIALS.finditer(text):
        password = found[1].partition(":")[2].lower()
        if password not in MENTIONED and not RESERVED_HOSTS.match(found["host"]):
            yield Finding("CREDENTIALS", *found.span(1))


def _is_secret(value: str, *, is_password: bool) -> bool:
    """Whether it mixes digits and letters as keys do, and stands for no other value as `${TOKEN}` does."""
    if len(value) < MIN_SECRET_CHARS and not is_password:
        return False
    if STANDS_FOR_ANOTHER.search(value):
        return False
    if not any(char.isdigit() for char in value) or not any(char.isalpha() for char in value):
        return False
    counts = Counter(value).values()
    entropy = -sum(count / len(value) * math.log2(count / len(value)) for count in counts)
    return entropy >= (MIN_PASSWORD_ENTROPY if is_password else MIN_SECRET_ENTROPY)
