"""Bodies of requests and responses."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from twin.rag.messages import Question, Reference
from twin.retrieval.result import Interpretation, Retrieval
from twin.retrieval.verdict import Verdict

__all__ = [
    "ErrorBody",
    "Problem",
    "RagRequest",
    "Readiness",
    "SearchRequest",
    "SearchResponse",
    "State",
]

PassageCount = Annotated[int, Meta(ge=1, le=50, description="How many passages")]
AuthorName = Annotated[str, Meta(max_length=200, description="An author's name or id")]


class SearchRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to look for."""

    query: Annotated[str, Meta(description="What to look for, in words")]
    k: PassageCount = 4
    author: AuthorName | None = None


class SearchResponse(Struct, frozen=True, kw_only=True):
    """Passages, best first, and what the query was taken to ask for."""

    results: list[Reference]
    interpretation: Interpretation
    index_generation: str | None
    verdict: Verdict | None = None
    """Whether `/rag` would answer from them: `answer`, `nearest` or `nothing`. It does not depend on `k`."""
    confidence: float | None = None
    """Probability that a passage of the index is about the query."""
    unseen: list[str] = []
    """Names in the query that no passage has."""

    @classmethod
    def of(cls, retrieval: Retrieval) -> SearchResponse:
        """The passages, numbered by rank."""
        ruling = retrieval.ruling
        return cls(
            results=[Reference.of(number, passage) for number, passage in enumerate(retrieval.passages, start=1)],
            interpretation=retrieval.interpretation,
            index_generation=retrieval.generation,
            verdict=ruling.verdict if ruling else None,
            confidence=ruling.confidence if ruling else None,
            unseen=ruling.unseen if ruling else [],
        )


class RagRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question to the twin."""

    query: Annotated[str, Meta(description="The question")]
    author: AuthorName | None = None
    k: PassageCount | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None

    def question(self) -> Question:
        """The question for the engine."""
        return Question(
            text=self.query,
            author=self.author,
            top_k=self.k,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
        )


class ErrorBody(Struct, frozen=True, kw_only=True):
    """What went wrong and what to do about it."""

    type: str
    message: str
    advice: str | UnsetType = UNSET


class Problem(Struct, frozen=True, kw_only=True):
    """The body of every error."""

    error: ErrorBody


class State(Struct, frozen=True, kw_only=True):
    """How one dependency is."""

    ok: bool
    required: bool
    """Whether answering needs it."""
    milliseconds: float
    message: str | UnsetType = UNSET


class Readiness(Struct, frozen=True, kw_only=True):
    """Whether questions are answered: `degraded` means yes, though something that is not required is away; `starting`
    means that the models are still being loaded."""

    status: Literal["ready", "degraded", "unavailable", "starting"]
    dependencies: dict[str, State]
