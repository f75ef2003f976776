"""Secrets and personal data in text: where they are, and placeholders for them.

What is found is checked (check digits, each country's rules for telephones, providers' marks, public networks), so that
an author's own numbers and names stay. Every pattern begins at a fixed mark and has bounded repeats, so that the time
is linear in the text whatever the text is. Found values are never logged, and never leave this module and its finders.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from twin.cleaning.finders.addresses import emails, ip_addresses, spelt_emails
from twin.cleaning.finders.finding import Finding
from twin.cleaning.finders.numbers import accounts, codici_fiscali, labelled_ids, numbers, wallets
from twin.cleaning.finders.providers import provider_keys
from twin.cleaning.finders.secrets import assigned_secrets, private_keys, url_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Finding", "Redactor", "find_personal_data", "redact"]

KEY_MARK = "PRIVATE KEY"
"""What only a text with a private key holds."""

_FINDERS: tuple[Callable[[str], Iterator[Finding]], ...] = (
    private_keys,
    url_credentials,
    provider_keys,
    assigned_secrets,
    emails,
    spelt_emails,
    accounts,
    labelled_ids,
    codici_fiscali,
    numbers,
    wallets,
    ip_addresses,
)
"""In order of priority where two start at one place."""


def find_personal_data(text: str) -> list[Finding]:
    """Where secrets and personal data are, in order and without overlaps. Placeholders are not found again."""
    found = ((finding, priority) for priority, find in enumerate(_FINDERS) for finding in find(text))
    findings: list[Finding] = []
    for finding, _ in sorted(found, key=lambda one: (one[0].start, one[1])):
        if not findings or finding.start >= findings[-1].end:
            findings.append(finding)
        elif finding.kind != "EMAIL":  # a password in a URL and the host after it look like one
            findings[-1] = findings[-1]._replace(end=max(findings[-1].end, finding.end))
    return findings


class Redactor:
    """Replaces findings in forms of one text that become fewer and fewer.

    Every finding but a private key lies within a line, so a line that was looked at needs no second look.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """What was replaced, by kind."""
        self._seen: set[str] | None = None

    def redact(self, text: str) -> str:
        """The text with a placeholder for each finding."""
        lines = text.split("\n")
        if self._seen is None or KEY_MARK in text:
            redacted, counts = redact(text)
            lines = redacted.split("\n") if counts else lines
        else:
            again = [line not in self._seen for line in lines]
            if not any(again):
                return text
            rest, counts = redact("\n".join(line for line, new in zip(lines, again, strict=True) if new))
            fresh = iter(rest.split("\n"))
            lines = [next(fresh) if new else line for line, new in zip(lines, again, strict=True)]
            redacted = "\n".join(lines)
        self.counts += counts
        if not counts:
            self._seen = (self._seen or set()).union(lines)
        return redacted


def redact(text: str) -> tuple[str, Counter[str]]:
    """The text with a placeholder such as `[EMAIL]` for each finding, and how many there were of each kind."""
    findings = find_personal_data(text)
    pieces: list[str] = []
    position = 0
    for finding in findings:
        pieces += [text[position : finding.start], f"[{finding.kind}]"]
        position = finding.end
    return "".join([*pieces, text[position:]]), Counter(finding.kind for finding in findings)
