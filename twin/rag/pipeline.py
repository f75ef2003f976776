"""The steps of an answer: retrieve, decide, prompt, generate. Each is a span of the trace and a timing."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import msgspec

from twin import prompts
from twin.errors import GenerationInterrupted
from twin.guards import refusal
from twin.rag.guarding import CONTENT_FILTER
from twin.rag.markers import MarkerFilter
from twin.rag.messages import Event, Found, Token
from twin.rag.sayings import in_language_of
from twin.retrieval.retriever import best_author
from twin.retrieval.verdict import Ruling, worth_showing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Sequence

    from twin.rag.draft import Draft
    from twin.rag.guarding import Guarding, Outlet
    from twin.rag.tracing import Span, SpanType, Tracer
    from twin.records import Passage
    from twin.retrieval.result import Retrieval
    from twin.retrieval.retriever import Retriever
    from twin.retrieval.rewriting import Rewriter, Rewriting
    from twin.serving.wire import Delta, StreamingModel
    from twin.settings import RagSettings

__all__ = ["Pipeline", "facts", "milliseconds_since"]


class Pipeline:
    """Fills a draft step by step and emits what the reader may already see.

    `model` gives the client of the model that is deployed now, and raises ModelUnavailable when there is none.
    """

    def __init__(
        self,
        *,
        retriever: Retriever,
        model: Callable[[], StreamingModel],
        tracer: Tracer,
        settings: RagSettings,
        rewriter: Rewriter,
        guarding: Guarding,
    ) -> None:
        self._guarding = guarding
        self._rewriter = rewriter
        self._retriever = retriever
        self._model = model
        self._tracer = tracer
        self._settings = settings

    async def run(self, text: str, draft: Draft, emit: Callable[[Event], None]) -> None:
        """Answers `text` into the draft.

        Raises:
            ServiceUnavailable: The index or the model does not answer.
            GenerationInterrupted: The model stopped in the middle, or said nothing.
        """
        if draft.refused_by is None:
            text = await self._guarding.question(text, draft)
        if draft.refused_by is not None:
            emit(_found(draft))
            _refuse(draft.refused_by, draft, emit)
            return
        draft.passages = self._guarding.passages(await self._retrieve(text, draft), draft)
        if draft.verdict != "answer" or not draft.passages:
            emit(_found(draft))
            _decline(text, draft, emit)
            return
        messages = self._prompt(text, draft)
        model = self._model()
        emit(_found(draft))
        await self._generate(model, messages, draft, emit)
        draft.status = "answered" if draft.refused_by is None else "refused"

    async def find(self, text: str, k: int, author: str | None) -> Retrieval:
        """The `k` passages that fit `text` best, best first, relevant or not.

        Raises:
            IndexUnavailable: The index does not answer.
        """
        names = [author] if author else []
        if not names and self._settings.self_query:
            names = await asyncio.to_thread(self._retriever.authors)
        rewriting = await self._rewriter.rewrite(text, names)
        return await asyncio.to_thread(self._ruled, text, k, author, rewriting)

    def _ruled(self, text: str, k: int, author: str | None, rewriting: Rewriting) -> Retrieval:
        settings = self._settings
        found = self._retriever.retrieve(text, k, author=author, rewriting=rewriting)
        return self._retriever.ruled(found, least=settings.min_confidence, min_relevance=settings.min_relevance)

    async def _retrieve(self, text: str, draft: Draft) -> list[Passage]:
        """The relevant passages of one author, neighbours joined; settles whose voice answers."""
        k, settings = draft.question.top_k or self._settings.top_k, self._settings
        with self._span("retrieval", draft, input={"query": text, "k": k, "author": draft.author}) as span:
            retrieval = await self.find(text, k, draft.author)
            draft.index_generation, draft.interpretation = retrieval.generation, retrieval.interpretation
            ruling = draft.ruling = retrieval.ruling or Ruling(verdict="nothing")
            found = worth_showing(retrieval.passages, ruling, settings.min_relevance, settings.min_similarity)
            draft.vector = retrieval.vector
            draft.relevance = max((one.relevance or 0.0 for one in retrieval.passages), default=None)
            draft.author = draft.author or _voice(retrieval, found)
            own = [passage for passage in found if passage.author == draft.author]
            passages = await asyncio.to_thread(self._retriever.joined, own, prompts.PASSAGE_WORDS)
            span.update(
                output={"passages": [_summary(passage) for passage in retrieval.passages], "relevant": len(found)},
                metadata={
                    "author": draft.author,
                    "index_generation": retrieval.generation,
                    "interpretation": msgspec.to_builtins(retrieval.interpretation),
                    "reranker": retrieval.reranker,
                    "ruling": msgspec.to_builtins(ruling),
                    "min_relevance": settings.min_relevance,
                },
            )
        return passages

    def _prompt(self, text: str, draft: Draft) -> list[dict[str, str]]:
        """The messages; from here on, the draft's passages are those that fit into them."""
        with self._span("prompt", draft, input={"passages": len(draft.passages)}) as span:
            messages = prompts.answer_messages(text, draft.author or "", draft.passages)
            draft.passages = draft.passages[: len(prompts.fit(draft.passages))]
            span.update(output={"messages": messages}, metadata={"prompt_version": prompts.VERSION})
        return messages

    async def _generate(
        self, model: StreamingModel, messages: list[dict[str, str]], draft: Draft, emit: Callable[[Event], None]
    ) -> None:
        """Streams the model's answer into the draft."""
        draft.model_version = model.model
        limits = self._limits(draft)
        with self._span("generation", draft, type="llm", input={"messages": messages}, model=model.model) as span:
            outlet = self._guarding.outlet(draft, emit, prompts.system_prompt(draft.author or ""))
            try:
                await _stream(model.stream(messages, **limits), draft, outlet)
            finally:
                self._guarding.close(outlet, draft)
                span.update(output={"answer": draft.text}, usage=draft.usage or None, metadata=facts(draft) | limits)
                if first := draft.timings.get("time_to_first_token"):
                    span.score("time_to_first_token", first)
        if not draft.text.strip():
            raise GenerationInterrupted("The model ended without saying anything. Ask again, or ask differently.")

    def _limits(self, draft: Draft) -> dict[str, Any]:
        """The length and the temperature asked for, within what is set."""
        asked, settings = draft.question, self._settings
        return {
            "max_tokens": min(asked.max_tokens or settings.max_answer_tokens, settings.max_answer_tokens),
            "temperature": settings.temperature if asked.temperature is None else asked.temperature,
        }

    @contextlib.contextmanager
    def _span(
        self, name: str, draft: Draft, *, input: dict[str, Any], type: SpanType = "general", model: str | None = None
    ) -> Generator[Span]:
        """A span of the trace whose duration, in milliseconds, is also one of the draft's timings."""
        started = time.perf_counter()
        try:
            with self._tracer.span(name, type=type, input=input, model=model) as span:
                yield span
        finally:
            draft.timings[name] = milliseconds_since(started)


def facts(draft: Draft) -> dict[str, Any]:
    """What a trace tells about an answer beside its text."""
    return {
        "model_version": draft.model_version,
        "index_generation": draft.index_generation,
        "prompt_version": prompts.VERSION,
        "finish_reason": draft.finish_reason,
        **({"ended": draft.error} if draft.error else {}),
        **draft.timings,
    }


def milliseconds_since(started: float) -> float:
    """Milliseconds since `started`, a reading of `time.perf_counter`."""
    return round((time.perf_counter() - started) * 1000, 2)


async def _stream(stream: AsyncGenerator[Delta], draft: Draft, outlet: Outlet) -> None:
    """Takes every delta into the draft through its guards, without the citation marks that models make up."""
    marks = MarkerFilter()
    try:
        async with contextlib.aclosing(stream) as deltas:
            async for delta in deltas:
                outlet.feed(marks.feed(delta.text))
                if outlet.closed:
                    break
                if delta.usage:
                    draft.usage = msgspec.to_builtins(delta.usage)
                draft.finish_reason = delta.finish_reason or draft.finish_reason
                draft.model_version = delta.model or draft.model_version
    finally:
        outlet.feed(marks.flush())  # also what came before an interruption was said
        outlet.flush()
    outlet.finish()


def _decline(question: str, draft: Draft, emit: Callable[[Event], None]) -> None:
    """Says that there is no answer, or only something near, which claims nothing. No model is asked."""
    sayings = in_language_of(question)
    if draft.passages and draft.ruling:
        said = sayings.nearest([passage.title for passage in draft.passages], draft.ruling.unseen)
    else:
        said = sayings.nothing
    draft.pieces.append(said)
    draft.status = "nothing_found"
    emit(Token(text=said))


def _refuse(guard: str, draft: Draft, emit: Callable[[Event], None]) -> None:
    draft.pieces.append(refusal(guard))
    draft.status = "refused"
    draft.finish_reason = CONTENT_FILTER
    emit(Token(text=draft.text))


def _found(draft: Draft) -> Found:
    return Found(
        id=draft.id,
        trace_id=draft.trace_id,
        author=draft.author,
        sources=draft.references(),
        interpretation=draft.interpretation,
        verdict=draft.verdict,
    )


def _voice(retrieval: Retrieval, relevant: Sequence[Passage]) -> str | None:
    """Who answers: the one author that the question asks for, else the author of the best passages."""
    if len(retrieval.authors) == 1:
        return retrieval.authors[0]
    return best_author(relevant) if relevant else None


def _summary(passage: Passage) -> dict[str, Any]:
    return {
        "chunk_id": passage.chunk_id,
        "title": passage.title,
        "score": passage.score,
        "relevance": passage.relevance,
        "similarity": passage.similarity,
        "bm25": passage.bm25,
    }
