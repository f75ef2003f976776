"""What a search brings back: passages, and what the question was taken to ask for."""

from __future__ import annotations

import msgspec

from twin.records import Passage  # noqa: TC001 - msgspec reads the annotations at run time
from twin.retrieval.verdict import Ruling, Sighting  # noqa: TC001 - idem

__all__ = ["Interpretation", "Restriction", "Retrieval"]


class Restriction(msgspec.Struct, frozen=True, kw_only=True):
    """Words of a question that were taken to say what may be searched."""

    field: str
    """`author`, `published`, `platform` or `kind`."""
    text: str
    """The words; empty when a language model read it from the whole question."""
    means: str
    """What they were taken for: a name, `2023-01-01 to 2023-12-31`, a host."""
    applied: bool
    """False when nothing would have been left, so that the search went on without it."""


class Interpretation(msgspec.Struct, frozen=True, kw_only=True):
    """What a question was taken to ask for."""

    text: str
    """What was searched for: the question without the words of its restrictions."""
    restrictions: list[Restriction] = []
    queries: list[str] = []
    """Other wordings that were searched too."""
    notes: list[str] = []
    """What did not work and was done without."""


class Retrieval(msgspec.Struct, frozen=True, kw_only=True):
    """The passages that fit a question best, best first, relevant or not."""

    passages: list[Passage]
    interpretation: Interpretation
    authors: list[str] = []
    """Whose passages were searched, which is also told where the index has one author only; empty for everybody's."""
    vector: bytes | None = None
    """Of what was searched for, in half precision."""
    generation: str | None = None
    """The index generation that was searched."""
    reranker: str = "none"
    seen: Sighting | None = None
    """What decides whether there is an answer."""
    ruling: Ruling | None = None
    """What was decided, once it was."""
