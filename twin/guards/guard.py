"""What a guard is, and how the settings switch it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple, Protocol

from twin.guards.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from twin.guards.findings import Action, Span

__all__ = ["Guard", "Rule", "Seen"]


class Seen(NamedTuple):
    """A text with what guards may need beside it."""

    text: str
    vector: np.ndarray | None = None
    """The text's, of the embedding model; None where there is none."""
    passages: Sequence[str] = ()
    """What an answer was made from."""
    prompt: str = ""
    """The system prompt that an answer was made with."""


class Guard(Protocol):
    """Looks for one thing."""

    name: str
    action: Action

    @property
    def version(self) -> str:
        """What its findings depend on."""
        ...

    def look(self, seen: Seen) -> list[Finding]:
        """What it finds, with the action that the settings want."""
        ...


class Rule(ABC):
    """A guard with an action; what it finds is given by `found`."""

    name = ""
    version = "1"

    def __init__(self, action: Action) -> None:
        self.action: Action = action

    def look(self, seen: Seen) -> list[Finding]:
        """A finding for each kind, with all of its places."""
        places: dict[str, list[Span]] = {}
        for kind, span in self.found(seen):
            places.setdefault(kind, []).append(span)
        return [
            Finding(guard=self.name, kind=kind, action=self.action, spans=spans, version=self.version)
            for kind, spans in places.items()
        ]

    @abstractmethod
    def found(self, seen: Seen) -> list[tuple[str, Span]]:
        """Kinds and places."""
