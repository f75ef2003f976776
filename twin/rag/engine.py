"""The engine: one question in; sources, tokens and a cited answer out; traced and stored, however it ends.

Availability comes first. A trace is best effort, and an interaction that cannot be stored is logged as an error and
counted while its answer is delivered all the same; readiness tells that the warehouse is away. A request that is wrong
in itself (empty, too long, an unknown author) is refused before it becomes an interaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from typing import TYPE_CHECKING

from twin import prompts
from twin.errors import (
    INTERNAL,
    EmptyQuestion,
    GenerationInterrupted,
    IndexUnavailable,
    QuestionTooLong,
    ServiceUnavailable,
    TwinError,
)
from twin.rag.draft import Draft
from twin.rag.guarding import Guarding
from twin.rag.messages import Answer, Event, Failed, Finished, Question
from twin.rag.pipeline import Pipeline, facts, milliseconds_since
from twin.records import utcnow
from twin.retrieval.rewriting import Rewriter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from datetime import datetime

    from twin.guards import Guards
    from twin.rag.tracing import Tracer
    from twin.records import Interaction
    from twin.retrieval.result import Retrieval
    from twin.retrieval.retriever import Retriever
    from twin.serving.wire import StreamingModel
    from twin.settings import RagSettings

__all__ = ["Rag", "check_text"]

log = logging.getLogger(__name__)

LEFT = "The one who asked stopped it, or went away before the end."
STOPPING = "The service is stopping. Ask again in a moment."


class Rag:
    """Answers questions in an author's voice from that author's passages. Use it from one event loop.

    `model` gives the client of the model that is deployed now and raises ModelUnavailable when there is none. `store`
    keeps an interaction. `guards` look at questions, passages and answers. `observe` is told of every interaction, and
    whether it was stored.
    """

    def __init__(
        self,
        *,
        retriever: Retriever,
        model: Callable[[], StreamingModel],
        tracer: Tracer,
        store: Callable[[Interaction], Awaitable[None]],
        settings: RagSettings,
        guards: Guards | None = None,
        observe: Callable[[Interaction, bool], None] = lambda _interaction, _stored: None,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
        clock: Callable[[], datetime] = utcnow,
    ) -> None:
        self._retriever = retriever
        self._tracer = tracer
        self._store = store
        self._settings = settings
        self._observe = observe
        self._new_id = new_id
        self._clock = clock
        self._guarding = Guarding(guards, tracer, retriever.vector)
        self._pipeline = Pipeline(
            guarding=self._guarding,
            retriever=retriever,
            model=model,
            tracer=tracer,
            settings=settings,
            rewriter=Rewriter(
                model,
                queries=settings.expansion_queries,
                self_query=settings.self_query,
                seconds=settings.rewrite_seconds,
            ),
        )
        self._answers: dict[asyncio.Task[None], Draft] = {}
        """Those in the making."""

    async def answer(self, question: Question) -> Answer:
        """The whole answer. Cancelling the task stops the generation.

        Raises:
            InputError: The question is empty or too long, or its author unknown.
            ServiceUnavailable: The index or the model does not answer.
            GenerationInterrupted: The model stopped in the middle.
        """
        async with contextlib.aclosing(self._events(question)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    return event.answer
                if isinstance(event, Exception):
                    raise event
        raise GenerationInterrupted("The answer has no end. Ask again.")

    async def stream(self, question: Question) -> AsyncGenerator[Event]:
        """The answer as events: `Found`, `Token`s, then `Finished` or `Failed`. Closing it stops the generation.

        Raises:
            TwinError: As `answer`, but only before the first event; after it an error is the last event.
        """
        started = False
        async with contextlib.aclosing(self._events(question)) as events:
            async for event in events:
                if not isinstance(event, Exception):
                    yield event
                    started = True
                elif started:
                    yield _as_failed(event)
                else:
                    raise event

    async def search(self, query: str, k: int | None = None, author: str | None = None) -> Retrieval:
        """The `k` best passages for `query`, best first, relevant or not.

        Raises:
            InputError: The query is empty or too long, or the author unknown.
            IndexUnavailable: The index does not answer.
        """
        text = check_text(query, self._settings.max_question_chars)
        name = await asyncio.to_thread(self._retriever.author, author) if author else None
        return await self._pipeline.find(text, k or self._settings.top_k, name)

    async def drain(self, seconds: float = 1.5) -> None:
        """Waits for answers and for interactions being stored; what still runs after `seconds` is interrupted."""
        if not self._answers:
            return
        _, unfinished = await asyncio.wait(self._answers, timeout=seconds)
        for task in unfinished:
            self._cancel(task, STOPPING)
        await asyncio.gather(*unfinished, return_exceptions=True)

    def _cancel(self, task: asyncio.Task[None], reason: str) -> None:
        if (draft := self._answers.get(task)) and not task.cancelling():
            draft.cancel(reason)
        task.cancel()

    async def _events(self, question: Question) -> AsyncGenerator[Event | Exception]:
        """The events of an answer that is made in a task of its own.

        The task gives tracing one context from begin to end, outlives its reader by as long as it takes to store the
        interaction, and is cancelled when the reader leaves early.
        """
        text = check_text(question.text, self._settings.max_question_chars)
        author = await self._named(question.author) if question.author else None
        draft = Draft(id=self._new_id(), created_at=self._clock(), question=question, author=author)
        events: asyncio.Queue[Event | Exception] = asyncio.Queue()
        task = asyncio.create_task(self._respond(text, draft, events.put_nowait), name=f"answer-{draft.id}")
        self._answers[task] = draft
        task.add_done_callback(self._answers.pop)
        ended = False
        try:
            while not ended:
                event = await events.get()
                ended = isinstance(event, Finished | Exception)
                yield event
        finally:
            if not ended:
                self._cancel(task, LEFT)

    async def _named(self, wanted: str) -> str:
        """The author's name as the index has it.

        While the index does not answer, any name stands: the search fails then, and the question is kept with that.
        """
        try:
            return await asyncio.to_thread(self._retriever.author, wanted)
        except IndexUnavailable:
            return wanted

    async def _respond(self, text: str, draft: Draft, emit: Callable[[Event | Exception], None]) -> None:
        """Makes the answer, emits each step, and stores the interaction whatever happened."""
        try:
            await self._traced(text, draft, emit)
            emit(Finished(answer=draft.answer()))
        except asyncio.CancelledError:
            emit(GenerationInterrupted(STOPPING))
            raise
        except Exception as error:  # noqa: BLE001 - handed on: whoever asked gets every error exactly once
            emit(error)
        finally:
            await self._keep(draft.interaction())

    async def _traced(self, text: str, draft: Draft, emit: Callable[[Event], None]) -> None:
        """Runs the pipeline as one trace, which also learns how it ended."""
        started = time.perf_counter()
        text = self._guarding.data(text, draft)
        asked = {"question": text, "author": draft.author}
        with self._tracer.trace("rag", input=asked, metadata={"interaction_id": draft.id}) as trace:
            draft.trace_id = trace.id or draft.id
            try:
                await self._pipeline.run(text, draft, emit)
            except Exception as error:
                _fail(draft, error)
                raise
            finally:
                draft.timings["total"] = milliseconds_since(started)
                trace.update(output={"answer": draft.text, "status": draft.status}, metadata=facts(draft))

    async def _keep(self, interaction: Interaction) -> None:
        """Stores the interaction. An answer is not withheld because it cannot be stored."""
        problem: Exception | None = None
        try:
            await self._store(interaction)
        except asyncio.CancelledError:
            log.error("interaction %s (%s) is not stored: the service stops", interaction.id, interaction.status)  # noqa: TRY400 - no bug
            raise
        except ServiceUnavailable as error:
            problem = error
        except Exception as error:  # the answer is out; a bug here must not look like a bug there
            log.exception("interaction %s cannot be stored", interaction.id)
            problem = error
        if problem is not None:
            log.error("interaction %s (%s) is not stored: %s", interaction.id, interaction.status, problem)
        self._observe(interaction, problem is None)


def check_text(text: str, max_chars: int) -> str:
    """A question as it is searched and shown to the model: without control characters, not empty, not too long.

    Raises:
        EmptyQuestion: Nothing but white space and control characters.
        QuestionTooLong: More than `max_chars` characters.
    """
    if len(text) > max_chars:
        raise QuestionTooLong(f"The question has {len(text):,} characters; at most {max_chars:,} are read. Shorten it.")
    plain = prompts.plain(text).strip()
    if not plain:
        raise EmptyQuestion("The question is empty. Ask something in words.")
    return plain


def _fail(draft: Draft, error: Exception) -> None:
    """Broken off in the middle is `interrupted`; before a word of the answer it is `failed`."""
    draft.status = "interrupted" if draft.pieces else "failed"
    draft.error = f"{type(error).__name__}: {error}"
    if isinstance(error, TwinError):
        log.warning("answer %s %s: %s (%s)", draft.id, draft.status, draft.error, error.detail)
    else:
        log.error("answer %s %s", draft.id, draft.status, exc_info=error)


def _as_failed(error: Exception) -> Failed:
    if isinstance(error, TwinError):
        return Failed(type=type(error).__name__, message=error.message)
    return Failed(type="InternalError", message=INTERNAL)
