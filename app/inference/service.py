"""Between HTTP and the engine: a bounded queue, one thread per slot, and cancellation."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor

from app.inference.engine import Engine
from app.inference.schema import ChatRequest, Piece
from twin.errors import GenerationInterrupted, ModelUnavailable, Overloaded

__all__ = ["GenerationService"]


class GenerationService:
    """Admits requests to an engine: `slots` at once, `queue_limit` more waiting, the rest refused.

    An answer that has kept its slot for `answer_seconds` ends there, cut as by a limit of tokens (`length`), so that
    nobody who asks for much, or gets a model to ramble, keeps the others out.
    """

    def __init__(self, slots: int, queue_limit: int, answer_seconds: float) -> None:
        self._queue_limit = queue_limit
        self._answer_seconds = answer_seconds
        self._slots = asyncio.Semaphore(slots)
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="slot")
        self._engine: Engine | None = None
        self._closing = threading.Event()
        self.active = 0
        self.waiting = 0

    @property
    def ready(self) -> bool:
        return self._engine is not None and not self._closing.is_set()

    def open(self, engine: Engine) -> None:
        """Starts admitting requests."""
        self._engine = engine

    def close(self) -> None:
        """Stops admitting requests and ends the answers in the making."""
        self._closing.set()

    async def answer(self, request: ChatRequest) -> AsyncGenerator[Piece]:
        """The pieces of one answer. Closing the generator, or cancelling its task, frees the slot.

        Raises:
            ModelUnavailable: The model is still loading, or the server is stopping.
            Overloaded: The queue is full.
            InputError: The engine refuses the request.
            GenerationInterrupted: The engine or the server stopped before the answer was whole.
        """
        engine = self._engine
        if engine is None or self._closing.is_set():
            state = "is stopping" if self._closing.is_set() else "is still loading"
            raise ModelUnavailable(f"The model {state}. Try again in a few seconds.")
        await self._wait_for_slot()
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[Piece | None] = asyncio.Queue()
        unwanted, overdue = threading.Event(), threading.Event()
        deadline = time.monotonic() + self._answer_seconds

        def emit(piece: Piece) -> bool:
            loop.call_soon_threadsafe(pieces.put_nowait, piece)
            if time.monotonic() >= deadline:
                overdue.set()
            return not (unwanted.is_set() or overdue.is_set() or self._closing.is_set())

        generation = loop.run_in_executor(self._threads, engine.generate, request, emit)
        # The slot is free when the engine has really stopped, which may be later than the caller's leaving.
        generation.add_done_callback(self._free_slot)
        generation.add_done_callback(lambda _: pieces.put_nowait(None))
        try:
            piece = None
            while (following := await pieces.get()) is not None:
                piece = following
                yield piece
            generation.result()
            if overdue.is_set() and piece is not None and piece.finish_reason is None:
                yield Piece(finish_reason="length")
            elif piece is None or piece.finish_reason is None:
                raise GenerationInterrupted("The model server is stopping. Ask again.")
        finally:
            unwanted.set()

    async def _wait_for_slot(self) -> None:
        if self._slots.locked() and self.waiting >= self._queue_limit:
            raise Overloaded(
                f"{self.active} answers are in the making and {self.waiting} requests wait. Try again in a few seconds."
            )
        self.waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self.waiting -= 1
        self.active += 1

    def _free_slot(self, generation: asyncio.Future[None]) -> None:
        self.active -= 1
        self._slots.release()
        if not generation.cancelled():
            generation.exception()  # seen by whoever reads the answer; when nobody does, nobody misses it
