"""Admission and cancellation, with an engine that the test drives token by token."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from app.inference.schema import ChatMessage, ChatRequest, Piece, Usage
from app.inference.service import GenerationService
from twin.errors import GenerationInterrupted, InputError, ModelUnavailable, Overloaded

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.inference.engine import Emit

pytestmark = pytest.mark.anyio
REQUEST = ChatRequest(messages=[ChatMessage("user", "hello")])
LAST = Piece(finish_reason="stop", usage=Usage(1, 1))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class HandEngine:
    """Emits a piece each time the test allows one, until it is told to finish or nobody wants more."""

    def __init__(self) -> None:
        self.steps = threading.Semaphore(0)
        self.finishing = threading.Event()
        self.running = 0
        self.most_at_once = 0
        self.stopped_early = 0
        self._lock = threading.Lock()

    def generate(self, request: ChatRequest, emit: Emit) -> None:
        if request.messages[0].content == "refuse":
            raise InputError("refused")
        with self._lock:
            self.running += 1
            self.most_at_once = max(self.most_at_once, self.running)
        try:
            while not self.finishing.is_set():
                if self.steps.acquire(timeout=0.01) and not emit(Piece(text="x")):
                    self.stopped_early += 1
                    return
            emit(LAST)
        finally:
            with self._lock:
                self.running -= 1


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  the condition is set by another thread
            await asyncio.sleep(0.005)


def opened(slots: int, queue_limit: int, answer_seconds: float = 60.0) -> tuple[GenerationService, HandEngine]:
    service, engine = GenerationService(slots, queue_limit, answer_seconds), HandEngine()
    service.open(engine)
    return service, engine


async def whole(service: GenerationService, request: ChatRequest = REQUEST) -> list[Piece]:
    return [piece async for piece in service.answer(request)]


async def test_pieces_arrive_in_order_and_the_slot_is_free_after() -> None:
    service, engine = opened(1, 0)
    answer = service.answer(REQUEST)
    engine.steps.release()
    assert await anext(answer) == Piece(text="x")
    assert service.active == 1
    engine.finishing.set()
    assert [piece async for piece in answer] == [LAST]
    await until(lambda: service.active == 0)


async def test_before_the_model_is_loaded_requests_are_refused() -> None:
    with pytest.raises(ModelUnavailable, match="still loading"):
        await whole(GenerationService(1, 1, 60.0))


async def test_one_more_than_slots_and_queue_is_refused_and_the_rest_are_answered() -> None:
    service, engine = opened(2, 3)
    asked = [asyncio.create_task(whole(service)) for _ in range(5)]
    await until(lambda: service.active == 2 and service.waiting == 3)
    with pytest.raises(Overloaded, match="2 answers are in the making and 3 requests wait"):
        await whole(service)
    engine.finishing.set()
    assert await asyncio.gather(*asked) == [[LAST]] * 5
    assert engine.most_at_once == 2
    assert service.waiting == 0


async def test_closing_an_answer_stops_the_engine_and_frees_the_slot() -> None:
    service, engine = opened(1, 0)
    answer = service.answer(REQUEST)
    engine.steps.release()
    await anext(answer)
    await answer.aclose()
    engine.steps.release()  # the engine learns it with its next token
    await until(lambda: service.active == 0)
    assert engine.stopped_early == 1


async def test_a_slot_stays_taken_until_the_engine_has_really_stopped() -> None:
    service, engine = opened(1, 0)
    answer = service.answer(REQUEST)
    engine.steps.release()
    await anext(answer)
    await answer.aclose()
    with pytest.raises(Overloaded):
        await whole(service)
    engine.finishing.set()
    await until(lambda: service.active == 0)
    assert await whole(service) == [LAST]


async def test_leaving_the_queue_makes_room_in_it() -> None:
    service, engine = opened(1, 1)
    first = asyncio.create_task(whole(service))
    await until(lambda: service.active == 1)
    second = asyncio.create_task(whole(service))
    await until(lambda: service.waiting == 1)
    second.cancel()
    await until(lambda: service.waiting == 0)
    third = asyncio.create_task(whole(service))
    engine.finishing.set()
    assert await first == await third == [LAST]


async def test_an_engine_s_refusal_reaches_the_caller_and_frees_the_slot() -> None:
    service, engine = opened(1, 0)
    with pytest.raises(InputError, match="refused"):
        await whole(service, ChatRequest(messages=[ChatMessage("user", "refuse")]))
    engine.finishing.set()
    await until(lambda: service.active == 0)
    assert await whole(service) == [LAST]


async def test_stopping_the_server_interrupts_the_answers_in_the_making() -> None:
    service, engine = opened(1, 0)
    answer = service.answer(REQUEST)
    engine.steps.release()
    await anext(answer)
    service.close()
    engine.steps.release()
    with pytest.raises(GenerationInterrupted, match="stopping"):
        [piece async for piece in answer]
    with pytest.raises(ModelUnavailable, match="stopping"):
        await whole(service)


async def test_an_answer_that_keeps_its_slot_too_long_ends_and_says_so() -> None:
    service, engine = opened(slots=1, queue_limit=0, answer_seconds=1e-9)
    engine.steps.release()
    pieces = [piece async for piece in service.answer(REQUEST)]
    assert [piece.text for piece in pieces] == ["x", ""]
    assert pieces[-1].finish_reason == "length"
    assert engine.stopped_early == 1
    await until(lambda: service.active == 0)


async def test_an_answer_that_ends_by_itself_just_too_late_keeps_its_own_reason() -> None:
    service, engine = opened(slots=1, queue_limit=0, answer_seconds=1e-9)
    engine.finishing.set()
    pieces = [piece async for piece in service.answer(REQUEST)]
    assert pieces == [LAST]
