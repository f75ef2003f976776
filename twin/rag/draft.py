"""What is known of an interaction while it happens, so that it can be stored however it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from twin.rag.messages import Acted, Answer, Reference
from twin.records import GuardFinding, Interaction, Passage
from twin.text.citations import CitedSentence, cite

if TYPE_CHECKING:
    from datetime import datetime

    from twin.rag.messages import Question
    from twin.retrieval.result import Interpretation
    from twin.retrieval.verdict import Ruling, Verdict

__all__ = ["Draft"]


@dataclass
class Draft:
    """An interaction in the making. Starts as `interrupted`, which is what it is until it ends otherwise."""

    id: str
    created_at: datetime
    question: Question
    trace_id: str = ""
    author: str | None = None
    passages: list[Passage] = field(default_factory=list)
    """What the model was given, in order."""
    pieces: list[str] = field(default_factory=list)
    status: Literal["answered", "nothing_found", "refused", "interrupted", "failed"] = "interrupted"
    finish_reason: str | None = None
    """None until the model says why it ended, or the answer is cancelled."""
    model_version: str | None = None
    index_generation: str | None = None
    interpretation: Interpretation | None = None
    ruling: Ruling | None = None
    usage: dict[str, int] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    error: str | None = None
    vector: bytes | None = None
    """Of what was searched for."""
    relevance: float | None = None
    """Of the best passage that was found."""
    sentences: list[CitedSentence] = field(default_factory=list)
    """The answer in pieces, once it is whole."""
    findings: list[GuardFinding] = field(default_factory=list)
    refused_by: str | None = None
    """The guard that refused the question, or took the answer back."""

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def verdict(self) -> Verdict | None:
        """What the search decided."""
        return self.ruling.verdict if self.ruling else None

    def cancel(self, reason: str) -> None:
        """Says that the answer was not wanted to its end; what has been said of it so far is kept."""
        self.finish_reason = "cancelled"
        self.error = reason

    def references(self) -> list[Reference]:
        """The passages, numbered as in the prompt."""
        return [Reference.of(number, passage) for number, passage in enumerate(self.passages, start=1)]

    def answer(self) -> Answer:
        """The finished answer; its sentences are matched to the passages here."""
        self.sentences = self._cited()
        return Answer(
            id=self.id,
            trace_id=self.trace_id,
            answer=self.text,
            status=self.status if self.status in ("nothing_found", "refused") else "answered",
            verdict=self.verdict,
            author=self.author,
            sources=self.references(),
            sentences=self.sentences,
            finish_reason=self.finish_reason or "stop",
            model_version=self.model_version,
            index_generation=self.index_generation,
            interpretation=self.interpretation,
            usage=self.usage,
            timings=self.timings,
            guards=self._acted(),
        )

    def interaction(self) -> Interaction:
        """What is stored."""
        return Interaction(
            id=self.id,
            trace_id=self.trace_id,
            created_at=self.created_at,
            question=self.question.text,
            author=self.author,
            answer=self.text,
            status=self.status,
            passages=self.passages,
            model_version=self.model_version,
            index_generation=self.index_generation,
            usage=self.usage,
            timings=self.timings,
            error=self.error,
            findings=self.findings,
            verdict=self.verdict,
            vector=self.vector,
            relevance=self.relevance,
            support=self._support(),
        )

    def _support(self) -> float | None:
        if self.status != "answered" or not self.sentences:
            return None
        return sum(sentence.supported for sentence in self.sentences) / len(self.sentences)

    def _acted(self) -> list[Acted]:
        """Each guard once for what it did, in the order in which they looked."""
        acted = (Acted(guard=one.guard, direction=one.direction, action=one.action) for one in self.findings)
        return list(dict.fromkeys(acted))

    def _cited(self) -> list[CitedSentence]:
        if self.status in ("nothing_found", "refused"):
            return [CitedSentence(text=self.text, sources=[], supported=True)]
        return cite(self.text, [passage.text for passage in self.passages])
