"""Keys that a provider's own mark tells: ours where a prefix is enough, and the detectors of detect-secrets.

detect-secrets' entropy and keyword detectors are not asked: on the labelled set of benchmarks/personal_data.py, more
than half of what the one finds, and a quarter of what the other finds, is something else.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from twin.cleaning.finders.finding import Finding, stands_alone

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["provider_keys"]

PREFIXES = {
    "sk-": r"[A-Za-z0-9_-]{20,200}",
    "sk_test_": r"[A-Za-z0-9]{16,120}",
    "sk_live_": r"[A-Za-z0-9]{16,120}",
    "rk_live_": r"[A-Za-z0-9]{16,120}",
    "github_pat_": r"[A-Za-z0-9_]{40,255}",
    "AIza": r"[A-Za-z0-9_-]{35}",
    "hf_": r"[A-Za-z0-9]{30,64}",
    "npm_": r"[A-Za-z0-9]{36}",
    "pypi-AgE": r"[A-Za-z0-9_-]{40,255}",
    "gsk_": r"[A-Za-z0-9]{40,64}",
    "r8_": r"[A-Za-z0-9]{37,40}",
    "ntn_": r"[A-Za-z0-9]{40,60}",
    "lin_api_": r"[A-Za-z0-9]{32,48}",
    "glsa_": r"[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}",
    "hvs.": r"[A-Za-z0-9_-]{24,150}",
    "PMAK-": r"[a-f0-9]{24}-[a-f0-9]{34}",
    "dop_v1_": r"[a-f0-9]{64}",
    "dapi": r"[a-f0-9]{32}",
    "shpat_": r"[a-fA-F0-9]{32}",
    "xapp-": r"[A-Za-z0-9-]{20,120}",
    "eyJ": r"[A-Za-z0-9_-]{10,1000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000}",
}
"""What keys of providers that detect-secrets does not know start with, and what follows."""
_PREFIXES = {prefix: re.compile(rest + r"(?![A-Za-z0-9_-])") for prefix, rest in PREFIXES.items()}
LONG_WORD = re.compile(r"(?<!\S)\S{20,}")
KEY_CHAR = re.compile(r"[A-Za-z0-9_-]")

BOT_ADDRESS = "api.telegram.org/bot"
"""In front of a key that is part of an address."""
DETECTORS = (
    ("aws", "AWSKeyDetector", ("AKIA", "ASIA", "ABIA", "ACCA", "A3T"), "AWS_KEY"),
    ("azure_storage_key", "AzureStorageKeyDetector", ("AccountKey=",), "SECRET"),
    ("discord", "DiscordBotTokenDetector", (".",), "API_KEY"),
    ("github_token", "GitHubTokenDetector", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), "API_KEY"),
    ("gitlab_token", "GitLabTokenDetector", ("glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "gloas-"), "API_KEY"),
    ("mailchimp", "MailchimpDetector", ("-us",), "API_KEY"),
    ("sendgrid", "SendGridDetector", ("SG.",), "API_KEY"),
    ("slack", "SlackDetector", ("xox", "hooks.slack.com"), "API_KEY"),
    ("square_oauth", "SquareOAuthDetector", ("sq0csp",), "API_KEY"),
    ("telegram_token", "TelegramBotTokenDetector", (":",), "API_KEY"),
    ("twilio", "TwilioKeyDetector", ("SK", "AC"), "API_KEY"),
)
"""Module and class of each detector that is asked, what a text must hold for it, and the kind of what it finds."""


def provider_keys(text: str) -> Iterator[Finding]:
    """Keys of known providers; one without a digit in it is a name or a stand-in.

    They have no blanks in them and are longer than words: only the long words of a text are looked at.
    """
    words = list(LONG_WORD.finditer(text))
    starts, length = [], 0
    for word in words:
        starts.append(length)
        length += len(word[0]) + 1
    for finding in _keys_in("\n".join(word[0] for word in words)):
        word = bisect_right(starts, finding.start) - 1
        shift = words[word].start() - starts[word]
        yield Finding(finding.kind, finding.start + shift, finding.end + shift)


def _keys_in(text: str) -> Iterator[Finding]:
    for prefix, rest in _PREFIXES.items():
        start = text.find(prefix)
        while start >= 0:
            touched = start and KEY_CHAR.match(text, start - 1)
            found = None if touched else rest.match(text, start + len(prefix))
            if found and any(char.isdigit() for char in found[0]):
                yield Finding("API_KEY", start, found.end())
            start = text.find(prefix, found.end() if found else start + len(prefix))
    for module, detector, marks, kind in DETECTORS:
        if any(mark in text for mark in marks):
            for pattern in _patterns(module, detector):
                yield from _detected(text, pattern, kind)


def _detected(text: str, pattern: re.Pattern[str], kind: str) -> Iterator[Finding]:
    for found in pattern.finditer(text):
        start, end = found.span()
        if found[0].startswith("AccountKey="):
            start += len("AccountKey=")
        in_address = text.endswith(BOT_ADDRESS, 0, start)
        if (in_address or stands_alone(text, start, end)) and any(char.isdigit() for char in found[0]):
            yield Finding(kind, start, end)


@cache
def _patterns(module: str, detector: str) -> tuple[re.Pattern[str], ...]:
    """The patterns of one detector of detect-secrets."""
    plugin = getattr(import_module(f"detect_secrets.plugins.{module}"), detector)
    return tuple(plugin().denylist)
