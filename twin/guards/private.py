"""Secrets and personal data in questions and answers, found as `twin.cleaning` finds them in documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.guards.guard import Rule

if TYPE_CHECKING:
    from twin.guards.findings import Action, Span
    from twin.guards.guard import Seen

__all__ = ["PrivateData"]


class PrivateData(Rule):
    """What stands in the passages is the author's own and public: an answer may say it."""

    def __init__(self, name: str, action: Action) -> None:
        super().__init__(action)
        self.name = name

    def found(self, seen: Seen) -> list[tuple[str, Span]]:
        """Kinds and places."""
        from twin.cleaning.personal_data import find_personal_data  # loads tables of numbers

        found = [(one.kind, (one.start, one.end)) for one in find_personal_data(seen.text)]
        return [(kind, (start, end)) for kind, (start, end) in found if not _public(seen, seen.text[start:end])]


def _public(seen: Seen, value: str) -> bool:
    return any(value in passage for passage in seen.passages)
