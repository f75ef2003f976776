"""How an embedding model sees an index when it is asked about something else.

A cosine means something else with each model, and the best of many cosines is higher the more passages there are. So
each index is asked the `PROBES`, everyday questions that it has no answer to but for a few; the median of their best
cosines is the level from which a question begins to stand out, and how far the probes lie apart from each other is the
model's own unit. Nobody has to fit anything by hand for another model.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol

import msgspec
import numpy as np

from twin import disk
from twin.decoding import NOT_JSON
from twin.retrieval.probes import PROBES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from twin.records import Passage

__all__ = ["Footing", "Footings", "measure"]

LEAST_SPREAD = 1e-4
"""A model that sees the probes nearer together than this tells nothing apart."""
REMEMBERED = 20


class Footing(msgspec.Struct, frozen=True, kw_only=True):
    """What cosines mean, for one model and one generation of the index."""

    level: float
    """The median of the best cosines of questions about something else."""
    spread: float
    """The standard deviation of the cosines between such questions."""

    def height(self, similarity: float) -> float:
        """How far a cosine stands above the level, in spreads."""
        return (similarity - self.level) / self.spread

    def cosine(self, height: float) -> float:
        """The cosine that stands as high as that."""
        return self.level + height * self.spread


class _Embedder(Protocol):
    name: str

    def embed(self, texts: Sequence[str]) -> np.ndarray: ...


class _Index(Protocol):
    def search(self, text: str, vector: np.ndarray, k: int) -> list[Passage]: ...


def measure(embedder: _Embedder, index: _Index, probes: np.ndarray | None = None) -> Footing | None:
    """The footing of an index; None where it is empty, or where the model sees no difference between questions.

    Args:
        embedder: The model.
        index: Asked for the nearest passage of each probe.
        probes: Their vectors, where they are known.
    """
    vectors = embedder.embed(PROBES) if probes is None else probes
    between = (vectors @ vectors.T)[~np.eye(len(vectors), dtype=bool)]
    if (spread := float(between.std())) < LEAST_SPREAD:
        return None
    nearest = [index.search("", vector, 1) for vector in vectors]
    best = [found[0].similarity for found in nearest if found and found[0].similarity is not None]
    return Footing(level=float(np.median(best)), spread=spread) if best else None


class Footings:
    """Footings by model and generation, in memory and, where a file is given, for the next process too.

    A file that cannot be read or written is done without: measuring takes half a second.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._known: dict[str, Footing | None] = {}
        self._probes: dict[str, np.ndarray] = {}

    def of(self, embedder: _Embedder, index: _Index, generation: str | None) -> Footing | None:
        """The footing of the generation that the index holds now."""
        key = f"{embedder.name} {generation}"
        if key not in self._known:
            self._known[key] = self._kept().get(key) or self._measured(embedder, index, key)
        return self._known[key]

    def _measured(self, embedder: _Embedder, index: _Index, key: str) -> Footing | None:
        if embedder.name not in self._probes:
            self._probes[embedder.name] = embedder.embed(PROBES)
        footing = measure(embedder, index, self._probes[embedder.name])
        if footing and self._file:
            kept = {**self._kept(), key: footing}
            content = msgspec.json.encode(dict(list(kept.items())[-REMEMBERED:]))
            with contextlib.suppress(OSError):
                disk.write(self._file, content, durable=False)
        return footing

    def _kept(self) -> dict[str, Footing]:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=dict[str, Footing]) if self._file else {}
        except (OSError, *NOT_JSON):
            return {}
