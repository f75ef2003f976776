"""Guards that a classifier decides: of questions, of answers, and of the paragraphs of passages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from twin.guards.features import MAX_CHARS
from twin.guards.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twin.guards.classifier import Scorer
    from twin.guards.findings import Action, Span
    from twin.guards.guard import Seen

__all__ = ["Classified", "Instructions", "Shared", "paragraphs"]

_PARAGRAPH = re.compile(r"\S(?:.|\n(?!\s*\n))*")
_WORDS = re.compile(r"\w+")
LEAST_WORDS = 3


class Shared:
    """Scores of the text that was looked at last, so that guards of one classifier compute them once."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._last: tuple[Seen, dict[str, float]] | None = None

    @property
    def version(self) -> str:
        """The scorer's."""
        return self._scorer.version

    def score(self, kind: str, seen: Seen) -> float:
        """Of the most suspicious window of a long text; the vector belongs to the first one."""
        last = self._last
        if last is None or last[0] is not seen:
            windows = [seen.text[start : start + MAX_CHARS] for start in range(0, max(len(seen.text), 1), MAX_CHARS)]
            found = [self._scorer.scores(text, seen.vector) for text in windows]
            last = self._last = (seen, {name: max(one[name] for one in found) for name in found[0]})
        return last[1].get(kind, 0.0)


class Classified:
    """A guard that a classifier's score decides."""

    def __init__(self, name: str, kind: str, shared: Shared, threshold: float, action: Action) -> None:
        self.name = name
        self.kind = kind
        self.action: Action = action
        self._shared = shared
        self._threshold = threshold

    @property
    def version(self) -> str:
        """Of the weights."""
        return self._shared.version

    def look(self, seen: Seen) -> list[Finding]:
        """One finding for the whole text, where the score reaches the threshold."""
        score = self._shared.score(self.kind, seen) if len(_WORDS.findall(seen.text)) >= LEAST_WORDS else 0.0
        if score < self._threshold:
            return []
        found = Finding(
            guard=self.name, kind=self.kind, action=self.action, score=round(score, 3), version=self.version
        )
        return [found]


class Instructions:
    """A passage's paragraphs that talk to a model instead of a reader. What is redacted is the paragraph."""

    name = "injection"

    def __init__(self, scorer: Scorer, threshold: float, action: Action) -> None:
        self.action: Action = action
        self._scorer = scorer
        self._threshold = threshold

    @property
    def version(self) -> str:
        """Of the weights."""
        return self._scorer.version

    def look(self, seen: Seen) -> list[Finding]:
        """One finding with every paragraph whose score reaches the threshold."""
        scored = [(self._score(seen.text[start:end]), (start, end)) for start, end in paragraphs(seen.text)]
        found = [(score, span) for score, span in scored if score >= self._threshold]
        if not found:
            return []
        best = max(score for score, _ in found)
        spans = [span for _, span in found]
        return [
            Finding(
                guard=self.name,
                kind=self.name,
                action=self.action,
                score=round(best, 3),
                spans=spans,
                version=self.version,
            )
        ]

    def _score(self, paragraph: str) -> float:
        if len(_WORDS.findall(paragraph)) < LEAST_WORDS:
            return 0.0
        return self._scorer.scores(paragraph)["injection"]


def paragraphs(text: str) -> Iterator[Span]:
    """Where the paragraphs of a text stand; a very long one comes in parts."""
    for match in _PARAGRAPH.finditer(text):
        for start in range(match.start(), match.end(), MAX_CHARS):
            yield start, min(start + MAX_CHARS, match.end())
