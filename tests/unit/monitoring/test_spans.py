"""Traced steps as plain objects."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from twin.monitoring.spans import Span, describe_error, snapshot, uuid7, with_total
from twin.monitoring.tracing import Tracer
from twin.settings import OpikSettings, read

if TYPE_CHECKING:
    from collections.abc import Generator

START = datetime(2026, 1, 1, tzinfo=UTC)


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.fixture
def tracer() -> Tracer:
    """One that sends nothing, so that only its own behaviour is seen."""
    return Tracer(read(OpikSettings).model_copy(update={"enabled": False}), lambda: None, clock=lambda: START)


def test_what_a_step_was_given_does_not_change_when_the_caller_changes_it() -> None:
    messages = [{"role": "user"}]
    span = Span("step", id="1", start_time=START, input={"messages": messages})

    messages[0]["role"] = "changed"

    assert span.input == {"messages": [{"role": "user"}]}


def test_a_value_that_json_cannot_hold_is_described() -> None:
    loop: list[object] = []
    loop.append(loop)

    assert snapshot({"key": object}) == {"key": "<class 'object'>"}
    assert snapshot({"error": ValueError("x")}) == {"error": "x"}
    assert "unreadable" in snapshot({"error": Unprintable()})
    assert "unreadable" in snapshot(loop)


def test_updates_are_merged() -> None:
    span = Span("step", id="1", start_time=START)
    span.update(metadata={"a": 1}, usage={"prompt_tokens": 2})
    span.update(metadata={"b": 2}, output="text", usage={"completion_tokens": 3})

    assert span.metadata == {"a": 1, "b": 2}
    assert span.output == "text"


def test_the_total_is_added_to_token_counts() -> None:
    assert with_total({"prompt_tokens": 2, "completion_tokens": 3})["total_tokens"] == 5
    assert with_total({"prompt_tokens": 2, "total_tokens": 9})["total_tokens"] == 9


def test_an_error_without_text_is_still_named() -> None:
    assert describe_error(Unprintable())["exception_type"] == "Unprintable"
    assert describe_error("stopped") == {"exception_type": "Error", "message": "stopped", "traceback": ""}


def test_ids_are_version_7_and_sort_by_time() -> None:
    made = [uuid.UUID(uuid7()) for _ in range(50)]

    assert {(item.version, item.variant) for item in made} == {(7, uuid.RFC_4122)}
    assert [item.int >> 80 for item in made] == sorted(item.int >> 80 for item in made)
    assert len(set(made)) == 50


def test_steps_stand_under_the_step_around_them(tracer: Tracer) -> None:
    with tracer.trace("rag", input={}) as trace:
        with tracer.span("outer") as outer, tracer.span("inner") as inner:
            pass
        with tracer.span("next") as following:
            pass

    assert (outer.parent, inner.parent, following.parent) == (trace, outer, trace)
    assert trace.spans == [outer, inner, following]
    assert all(span.end_time for span in (trace, *trace.spans))


def test_a_step_outside_any_trace_is_not_kept(tracer: Tracer) -> None:
    with tracer.trace("rag", input={}) as trace:
        pass
    with tracer.span("alone") as alone:
        alone.update(output={"fine": True})
    with tracer.span("too late", parent=trace):
        pass

    assert (alone.id, trace.spans) == ("", [])


def test_a_generator_closed_in_another_context_does_not_raise(tracer: Tracer) -> None:
    import contextvars

    def stream() -> Generator[int, None, None]:
        with tracer.trace("rag", input={}), tracer.span("generation"):
            yield 1
            yield 2

    answer = stream()
    assert contextvars.copy_context().run(next, answer) == 1
    answer.close()

    with tracer.span("after") as after:
        assert after.id == ""


def test_without_tracing_there_are_no_ids(tracer: Tracer) -> None:
    with tracer.trace("rag", input={}) as trace:
        assert trace.id == ""
    assert tracer.flush(0)
    assert tracer.dropped == 0
