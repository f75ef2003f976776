"""Guards of answers: the prompt's own text, unsafe links and markup, repetition, sentences without support."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from twin.guards.findings import Finding
from twin.guards.guard import Rule
from twin.text.citations import cite, sentences

if TYPE_CHECKING:
    from twin.guards.findings import Action, Span
    from twin.guards.guard import Seen

__all__ = ["Links", "PromptLeak", "Repetition", "Support"]

_WORD = re.compile(r"\w+")
LEAK_WORDS = 7
"""So many words of the prompt in a row, its author's name aside, are no chance."""
_LAYOUT = re.compile(r"What you have written:\s*\[1\]|^Question: .+\n+Answer:|<\|im_(?:start|end)\|>", re.M)
_MARKUP = re.compile(
    r"</?(?:script|iframe|object|embed|form|meta|link|svg|style|img)\b[^>]*>?|\bon(?:error|load|click)\s*=", re.I
)
_SCHEME = re.compile(r"\b(?:javascript|vbscript|data:text/html|file):[^\s)>\]]*", re.I)
_IMAGE = re.compile(r"!\[[^\]]*\]\(\s*(?:https?:)?//[^)]*\)", re.I)
_URL = re.compile(r"https?://[^\s)>\]\"']+", re.I)
_END = ".,;:!?"
REPEATS = 3


class PromptLeak(Rule):
    """Words of the system prompt, or the layout of the prompt around passages and question."""

    name = "prompt_leak"

    def found(self, seen: Seen) -> list[tuple[str, Span]]:
        """Kinds and places."""
        layout = [("layout", match.span()) for match in _LAYOUT.finditer(seen.text)]
        said = list(_WORD.finditer(seen.text))
        secret = [word.lower() for word in _WORD.findall(seen.prompt)]
        runs = {tuple(secret[start : start + LEAK_WORDS]) for start in range(len(secret) - LEAK_WORDS + 1)}
        words = [word[0].lower() for word in said]
        leaks = [
            ("prompt", (said[start].start(), said[start + LEAK_WORDS - 1].end()))
            for start in range(len(words) - LEAK_WORDS + 1)
            if tuple(words[start : start + LEAK_WORDS]) in runs
        ]
        return layout + leaks


class Links(Rule):
    """Markup and addresses that could run something or send something away, and links that no passage has."""

    name = "links"

    def found(self, seen: Seen) -> list[tuple[str, Span]]:
        """Kinds and places."""
        patterns = (("markup", _MARKUP), ("scheme", _SCHEME), ("image", _IMAGE))
        found = [(kind, match.span()) for kind, pattern in patterns for match in pattern.finditer(seen.text)]
        taken = [span for _, span in found]
        for match in _URL.finditer(seen.text):
            address = match[0].rstrip(_END)
            inside = any(start <= match.start() < end for start, end in taken)
            if not inside and not any(address in passage for passage in seen.passages):
                found.append(("unknown_link", (match.start(), match.start() + len(address))))
        return found


class Repetition:
    """An answer that says the same sentence again and again."""

    name = "repetition"
    version = "1"

    def __init__(self, action: Action) -> None:
        self.action: Action = action

    def look(self, seen: Seen) -> list[Finding]:
        """One finding, whose score is the share of sentences that were said before."""
        said = [" ".join(_WORD.findall(sentence.lower())) for sentence in sentences(seen.text)]
        counts = Counter(sentence for sentence in said if len(sentence.split()) > 2)
        if max(counts.values(), default=0) < REPEATS:
            return []
        again = sum(count - 1 for count in counts.values())
        return [Finding(guard=self.name, kind=self.name, action=self.action, score=round(again / len(said), 3))]


class Support:
    """An answer of whose sentences too many are supported by no passage."""

    name = "support"
    version = "1"

    def __init__(self, share: float, action: Action) -> None:
        self.action: Action = action
        self._share = share

    def look(self, seen: Seen) -> list[Finding]:
        """One finding with every sentence that no passage supports; its score is their share."""
        if not seen.passages:
            return []
        cited, spans, position = cite(seen.text, seen.passages), [], 0
        for sentence in cited:
            if not sentence.supported:
                spans.append((position, position + len(sentence.text.rstrip())))
            position += len(sentence.text)
        share = len(spans) / len(cited) if cited else 0.0
        if share <= self._share:
            return []
        found = Finding(guard=self.name, kind="unsupported", action=self.action, score=round(share, 3), spans=spans)
        return [found]
