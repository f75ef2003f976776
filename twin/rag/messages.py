"""What goes into the engine and what comes out: a question, and events that end in an answer or an error."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003
from typing import TYPE_CHECKING, Literal

import msgspec

from twin.retrieval.result import Interpretation  # noqa: TC001
from twin.retrieval.verdict import Verdict  # noqa: TC001
from twin.text.citations import CitedSentence  # noqa: TC001 - msgspec reads the annotations at run time

if TYPE_CHECKING:
    from twin.records import Passage

__all__ = [
    "Acted",
    "Answer",
    "Event",
    "Failed",
    "Finished",
    "Found",
    "Question",
    "Reference",
    "Retracted",
    "Token",
]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question to the twin."""

    text: str
    author: str | None = None
    """Whose voice answers, by name or id. None: the only author, or else the one who wrote the best passages."""
    top_k: int | None = None
    """Passages to retrieve; None: as set."""
    max_tokens: int | None = None
    """Tokens of the answer at most; None: as set. What is set cannot be exceeded."""
    temperature: float | None = None
    """Sampling temperature; None: as set."""


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """A passage that the model was given, as an answer refers to it."""

    number: int
    """From 1, as in the prompt and in `CitedSentence.sources`."""
    title: str
    url: str
    author: str
    heading_path: list[str]
    text: str
    """The passage, quoted whole."""
    score: float
    """What the ranking goes by; comparable among the passages of one search only."""
    relevance: float | None
    """Probability that the passage is about the question, 0 to 1."""
    similarity: float | None
    published_at: datetime | None
    document_id: str
    chunk_id: str
    """Of the best chunk, where several are joined."""
    chunk_ids: list[str]
    """Of all chunks of the passage, in their order."""

    @classmethod
    def of(cls, number: int, passage: Passage) -> Reference:
        """The reference to `passage` under `number`."""
        return cls(
            number=number,
            title=passage.title,
            url=passage.url,
            author=passage.author,
            heading_path=passage.heading_path,
            text=passage.text,
            score=passage.score,
            relevance=passage.relevance,
            similarity=passage.similarity,
            published_at=passage.published_at,
            document_id=passage.document_id,
            chunk_id=passage.chunk_id,
            chunk_ids=passage.merged or [passage.chunk_id],
        )


class Acted(msgspec.Struct, frozen=True, kw_only=True):
    """A guard that found something, without what it was or why."""

    guard: str
    direction: Literal["question", "passage", "answer"]
    action: Literal["flag", "redact", "block"]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the twin answered, and from what."""

    id: str
    """The id of the stored interaction."""
    trace_id: str
    answer: str
    status: Literal["answered", "nothing_found", "refused"]
    """`refused`: a guard refused the question, or took the answer back; `answer` is then a fixed sentence."""
    verdict: Verdict | None
    """`answer`; `nearest`: the sources are on the subject and hold no answer, so nothing is claimed; `nothing`."""
    author: str | None
    """In whose voice."""
    sources: list[Reference]
    sentences: list[CitedSentence]
    """The answer in pieces, each with the sources that support it."""
    finish_reason: str
    """`stop`, `length` when it was cut at the limit of tokens or of time, `content_filter` when a guard blocked it."""
    model_version: str | None
    index_generation: str | None
    interpretation: Interpretation | None
    """What the question was taken to ask for."""
    usage: dict[str, int]
    """`prompt_tokens`, `completion_tokens`."""
    timings: dict[str, float]
    """Milliseconds: `retrieval`, `prompt`, `generation`, `time_to_first_token`, `total`; of the guards
    `guard_question`, `guard_passages`, `guard_answer`, and `held`: what the first token waited for its
    sentence to end."""
    guards: list[Acted] = []
    """Which guards found something."""


class Found(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="sources"):
    """First: what the answer will be made from."""

    id: str
    trace_id: str
    author: str | None
    sources: list[Reference]
    interpretation: Interpretation | None = None
    """What the question was taken to ask for."""
    verdict: Verdict | None = None
    """Whether there will be an answer; see `Answer.verdict`."""


class Token(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="token"):
    """A piece of the answer."""

    text: str


class Retracted(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="retract"):
    """A guard took back what was sent of the answer: this text stands in the place of all of it."""

    text: str
    guard: str


class Finished(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="done"):
    """Last, when all went well: the whole answer with its citations, usage and timings."""

    answer: Answer


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="error"):
    """Last, when something went wrong after the first event."""

    type: str
    """The name of the error's class."""
    message: str


Event = Found | Token | Retracted | Finished | Failed
