"""What is shown of traces: pure functions over stored records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.console.store.opik_records import ErrorInfo, Score, Span, Trace
from app.console.store.opik_views import EXCERPT_CHARACTERS, excerpt, summarize, total_usage, waterfall

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(milliseconds: float) -> datetime:
    return START + timedelta(milliseconds=milliseconds)


def trace(**fields: Any) -> Trace:
    values: dict[str, Any] = {"id": "t", "start_time": START, "end_time": at(100), **fields}
    return Trace(**values)


def span(key: str, start: float = 0, end: float = 100, parent: str | None = None, **fields: Any) -> Span:
    times = {"start_time": at(start), "end_time": at(end)}
    values: dict[str, Any] = {"id": key, "trace_id": "t", "parent_span_id": parent, **times, **fields}
    return Span(**values)


def test_bars_stand_where_their_steps_were_in_time() -> None:
    bars = waterfall(trace(), [span("a", 0, 50), span("b", 50, 75)])

    assert [(bar.span.id, bar.left, bar.width) for bar in bars] == [("a", 0.0, 50.0), ("b", 50.0, 25.0)]


def test_a_trace_that_its_reader_stopped_is_no_error() -> None:
    stopped = trace(metadata={"finish_reason": "cancelled"})
    failed = span("a", error_info=ErrorInfo(exception_type="E", message="m", traceback=""))

    assert summarize(stopped, [span("a")]).status == "stopped"
    assert summarize(stopped, [failed]).status == "error"
    assert summarize(trace(metadata={"finish_reason": "cancelled"}, end_time=None), []).status == "running"


def test_children_follow_their_parent_one_level_deeper() -> None:
    spans = [
        span("late", 60),
        span("child", 20, parent="early"),
        span("early", 10),
        span("grandchild", 30, parent="child"),
    ]

    assert [(bar.span.id, bar.depth) for bar in waterfall(trace(), spans)] == [
        ("early", 0),
        ("child", 1),
        ("grandchild", 2),
        ("late", 0),
    ]


def test_a_step_whose_parent_never_arrived_is_still_shown() -> None:
    assert [bar.depth for bar in waterfall(trace(), [span("a", parent="lost")])] == [0]


@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(0, 200)), max_size=9, unique_by=lambda x: x[0])
)
def test_every_step_is_shown_once_whatever_the_parents_are(rows: list[tuple[int, int, int]]) -> None:
    spans = [span(str(key), start, start + 5, parent=str(parent)) for key, parent, start in rows]

    bars = waterfall(trace(), spans)

    assert sorted(bar.span.id for bar in bars) == sorted(item.id for item in spans)
    assert all(0 <= bar.left <= 100 and 0 <= bar.width <= 100.0001 - bar.left for bar in bars)


def test_a_trace_without_duration_still_has_a_waterfall() -> None:
    bars = waterfall(trace(end_time=START), [span("a", 0, 0)])

    assert (bars[0].left, bars[0].width) == (0.0, 0.0)


def test_the_status_is_error_when_any_step_failed() -> None:
    failed = span("a", error_info=ErrorInfo(exception_type="ModelUnavailable"))

    assert summarize(trace(), [failed]).status == "error"
    assert summarize(trace(), [span("a")]).status == "ok"
    assert summarize(trace(end_time=None), []).status == "running"


def test_the_time_to_first_token_is_found_as_a_score_and_in_metadata() -> None:
    scored = trace(feedback_scores=[Score(name="time_to_first_token", value=120)])
    described = span("a", metadata={"time_to_first_token": 95.5})

    assert summarize(scored, []).time_to_first_token_ms == 120
    assert summarize(trace(), [described]).time_to_first_token_ms == 95.5
    assert summarize(trace(), [span("a", metadata=["no", "object"])]).time_to_first_token_ms is None


def test_tokens_are_summed_without_the_copies_of_the_sdk() -> None:
    usage = {"prompt_tokens": 3, "total_tokens": 5, "original_usage.total_tokens": 5}

    assert total_usage([span("a", usage=usage), span("b", usage=usage)]) == {"prompt_tokens": 6, "total_tokens": 10}


def test_an_excerpt_is_the_question_on_one_line() -> None:
    assert excerpt({"author": "A", "question": "why\n  now?"}) == "why now?"
    assert excerpt({"k": 4}) == '{"k": 4}'
    assert excerpt(None) == ""
    assert len(excerpt("word " * 100)) == EXCERPT_CHARACTERS
