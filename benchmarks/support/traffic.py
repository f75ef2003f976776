"""Made-up readers: questions as vectors around topics, and what became of them. From a seed, so that windows repeat."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BEGAN", "Traffic"]

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
DIMENSIONS = 384
TOPICS = 20
NEW_TOPICS = 5
COMMON = 0.5
"""How much all questions have in common, as those of real embedding models have."""
NOISE = 0.9


class Traffic:
    """Questions of one twin; a share of them may be about topics that nobody asked about before."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        centres = self._rng.normal(size=(TOPICS + NEW_TOPICS, DIMENSIONS))
        self._centres = centres / np.linalg.norm(centres, axis=1, keepdims=True)
        self._shared = self._rng.normal(size=DIMENSIONS) / np.sqrt(DIMENSIONS)
        self._weights = self._rng.dirichlet(np.ones(TOPICS))

    def vectors(self, count: int, *, shifted: float = 0.0) -> np.ndarray:
        """Vectors of questions, the share `shifted` of them about new topics."""
        known = self._rng.choice(TOPICS, size=count, p=self._weights)
        new = TOPICS + self._rng.integers(NEW_TOPICS, size=count)
        topics = np.where(self._rng.random(count) < shifted, new, known)
        noise = self._rng.normal(size=(count, DIMENSIONS)) * NOISE / np.sqrt(DIMENSIONS)
        rows = COMMON * self._shared + self._centres[topics] + noise
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)

    def rows(self, count: int, *, shifted: float = 0.0, after: int = 0) -> Iterator[dict[str, Any]]:
        """Interactions as the warehouse gives their figures, a minute apart, from the minute `after` on."""
        rng = self._rng
        vectors = self.vectors(count, shifted=shifted)
        for number in range(count):
            answered = bool(rng.random() > 0.1)
            first, tokens = float(rng.lognormal(6, 0.4)), int(rng.integers(40, 160))
            yield {
                "_id": f"{after + number:08}",
                "created_at": BEGAN + timedelta(minutes=after + number),
                "status": "answered" if answered else "nothing_found",
                "vector": vectors[number].tobytes(),
                "relevance": float(rng.beta(6, 2)),
                "support": float(rng.beta(8, 2)),
                "length": int(rng.lognormal(6, 0.5)),
                "usage": {"prompt_tokens": int(rng.integers(400, 900)), "completion_tokens": tokens},
                "timings": {"time_to_first_token": first, "generation": first + tokens * float(rng.normal(25, 3))},
            }
