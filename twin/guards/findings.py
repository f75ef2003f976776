"""What a guard found, and what is done about it."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["ACTIONS", "Action", "Finding", "Span", "Verdict", "worst"]

Action = Literal["flag", "redact", "block"]
"""Told only; taken out of the text; the text is not used at all."""

ACTIONS: tuple[Action, ...] = ("flag", "redact", "block")
"""From the mildest on."""

Span = tuple[int, int]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One guard's finding in one text. It holds places and never what stands there."""

    guard: str
    kind: str
    """What was found, for example `EMAIL`; the guard's own name where it knows one kind only."""
    action: Action
    score: float = 1.0
    """0 to 1. What a classifier found has at least its threshold, and what a rule found 1."""
    spans: list[Span] = []
    """Where, in characters of the text that was looked at; empty for all of it."""
    version: str = "1"
    """Of the guard."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the guards of one direction say about a text."""

    text: str
    """What may be used: without what is redacted; as it was where it is blocked."""
    findings: list[Finding] = []
    timings: dict[str, float] = {}
    """Milliseconds, by guard."""

    @property
    def action(self) -> Literal["allow"] | Action:
        """The most severe that was found."""
        return worst(self.findings)

    @property
    def blocking(self) -> Finding | None:
        """The first finding that blocks."""
        return next((finding for finding in self.findings if finding.action == "block"), None)


def worst(findings: list[Finding]) -> Literal["allow"] | Action:
    """The most severe action of several findings."""
    return max((finding.action for finding in findings), key=ACTIONS.index, default="allow")
