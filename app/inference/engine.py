"""What an engine is: a loaded model that generates answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from app.inference.schema import ChatRequest, Piece

__all__ = ["Emit", "Engine"]

Emit = Callable[[Piece], bool]
"""Takes a piece; False means that nobody wants the rest."""


class Engine(Protocol):
    """A loaded model."""

    def generate(self, request: ChatRequest, emit: Emit) -> None:
        """Generates one answer, blocking, and gives each piece to `emit` until that returns False.

        The last piece has a finish reason and the usage. Called from `EndpointSettings.slots` threads at once.

        Raises:
            InputError: The prompt does not fit the context, or the model's template refuses it.
        """
        ...
