"""Requests as columns of figures, and which figures there are."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations at run time
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["FIGURES", "QUESTIONS", "Figure", "Window"]

QUESTIONS = "questions"
"""The figure of the vectors; all others are one number a request."""
NONE = float("nan")


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is compared."""

    name: str
    label: str
    kind: Literal["number", "share"]
    worse: Literal["higher", "lower", "either"]
    """In which direction a change is drift."""


FIGURES = (
    Figure(name="nothing_relevant", label="nothing relevant", kind="share", worse="higher"),
    Figure(name="relevance", label="relevance of the best passage", kind="number", worse="lower"),
    Figure(name="answer_length", label="characters of an answer", kind="number", worse="either"),
    Figure(name="support", label="sentences with support", kind="number", worse="lower"),
    Figure(name="thumbs_down", label="thumbs down", kind="share", worse="higher"),
    Figure(name="first_token", label="ms to the first token", kind="number", worse="higher"),
    Figure(name="each_token", label="ms for each token", kind="number", worse="higher"),
    Figure(name="tokens", label="tokens a request", kind="number", worse="either"),
    Figure(name="failed", label="failed", kind="share", worse="higher"),
    Figure(name="refused", label="refused by guards", kind="share", worse="higher"),
)


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Requests between two moments."""

    began: datetime
    ended: datetime
    requests: int
    columns: dict[str, list[float]]
    """A number a request, by figure; NaN where it has none."""
    vectors: bytes
    """Of the questions that have one, in half precision, one after the other."""
    dimensions: int

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]], ratings: Mapping[str, float]) -> Window | None:
        """The window of rows as `Interactions.figures` gives them, with the mean rating of those that were rated; None
        when there are none."""
        found = sorted(rows, key=lambda row: row["created_at"])
        if not found:
            return None
        sizes = [len(row["vector"]) for row in found if row.get("vector")]
        size = sizes[-1] if sizes else 0  # another embedding model's vectors are not compared
        return cls(
            began=found[0]["created_at"],
            ended=found[-1]["created_at"],
            requests=len(found),
            columns={name: [read(row, ratings) for row in found] for name, read in READERS.items()},
            vectors=b"".join(row["vector"] for row in found if row.get("vector") and len(row["vector"]) == size),
            dimensions=size // 2,
        )

    def column(self, name: str) -> np.ndarray:
        """The numbers of a figure, without those that have none."""
        values = np.asarray(self.columns.get(name, []), dtype=np.float64)
        return values[~np.isnan(values)]

    def questions(self) -> np.ndarray:
        """The vectors, one row a question."""
        flat = np.frombuffer(self.vectors, dtype=np.float16).astype(np.float32)
        return flat.reshape(-1, self.dimensions) if self.dimensions else flat.reshape(0, 0)


def _answered(read: Callable[[Mapping[str, Any]], float | None]) -> Callable[[Mapping[str, Any], Any], float]:
    def value(row: Mapping[str, Any], _: object) -> float:
        found = read(row) if row["status"] == "answered" else None
        return NONE if found is None else float(found)

    return value


def _status(*counted: str) -> Callable[[Mapping[str, Any], Any], float]:
    return lambda row, _: float(row["status"] in counted)


def _first_token(row: Mapping[str, Any]) -> float | None:
    return row.get("timings", {}).get("time_to_first_token")


def _each_token(row: Mapping[str, Any]) -> float | None:
    timings, tokens = row.get("timings", {}), row.get("usage", {}).get("completion_tokens", 0)
    if tokens < 2 or "generation" not in timings or "time_to_first_token" not in timings:
        return None
    return (timings["generation"] - timings["time_to_first_token"]) / (tokens - 1)


def _tokens(row: Mapping[str, Any]) -> float | None:
    usage = row.get("usage") or {}
    return usage.get("prompt_tokens", 0) + usage.get("completion_tokens", 0) if usage else None


def _relevance(row: Mapping[str, Any], _: object) -> float:
    return NONE if (found := row.get("relevance")) is None else float(found)


def _thumbs_down(row: Mapping[str, Any], ratings: Mapping[str, float]) -> float:
    return float(ratings[row["_id"]] < 0.5) if row["_id"] in ratings else NONE


READERS: dict[str, Callable[[Mapping[str, Any], Mapping[str, float]], float]] = {
    "nothing_relevant": _status("nothing_found"),
    "relevance": _relevance,
    "answer_length": _answered(lambda row: row.get("length")),
    "support": _answered(lambda row: row.get("support")),
    "thumbs_down": _thumbs_down,
    "first_token": _answered(_first_token),
    "each_token": _answered(_each_token),
    "tokens": _answered(_tokens),
    "failed": _status("failed", "interrupted"),
    "refused": _status("refused"),
}
