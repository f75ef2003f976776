"""What the pages and the CLI show of traces: a summary line, and a waterfall. Pure functions over stored records."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from app.console.store.opik_records import Span, Trace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Bar", "Summary", "excerpt", "summarize", "total_usage", "waterfall"]

EXCERPT_CHARACTERS = 160
QUESTION_KEYS = ("question", "query", "input", "prompt")
TIME_TO_FIRST_TOKEN = "time_to_first_token"  # noqa: S105 - a metric's name, no secret
MODEL_VERSION = "model_version"
FINISH_REASON = "finish_reason"
CANCELLED = "cancelled"


class Summary(msgspec.Struct, kw_only=True):
    """One trace as a line of a list."""

    id: str
    name: str
    start_time: datetime
    status: str
    """`ok`, `error`, `stopped` when it was not wanted to its end, or `running` while it has none."""
    question: str
    duration_ms: float | None
    time_to_first_token_ms: float | None
    tokens: int
    model_version: str | None
    project: str


class Bar(msgspec.Struct, kw_only=True):
    """One row of a waterfall. `left` and `width` are percent of the trace's duration."""

    span: Span
    depth: int
    left: float
    width: float


def summarize(trace: Trace, spans: Sequence[Span]) -> Summary:
    """The line that a list shows for a trace."""
    return Summary(
        id=trace.id,
        name=trace.name or "(no name)",
        start_time=trace.start_time,
        status=status(trace, spans),
        question=excerpt(trace.input),
        duration_ms=trace.duration,
        time_to_first_token_ms=first_token(trace, spans),
        tokens=total_usage(spans).get("total_tokens", 0),
        model_version=model_version(trace, spans),
        project=trace.project_name,
    )


def waterfall(trace: Trace, spans: Sequence[Span]) -> list[Bar]:
    """The spans as bars, children after and under their parents, each level by start time.

    A span whose parent is unknown, or that is its own ancestor, stands at the top level, so none is lost.
    """
    start = min([trace.start_time, *(span.start_time for span in spans)])
    ends = [item.end_time or item.start_time for item in (trace, *spans)]
    total = max((max(ends) - start) / timedelta(milliseconds=1), 0.001)

    def bar(span: Span, depth: int) -> Bar:
        left = (span.start_time - start) / timedelta(milliseconds=1) / total * 100
        return Bar(span=span, depth=depth, left=left, width=min((span.duration or 0) / total * 100, 100 - left))

    return [bar(span, depth) for span, depth in _nested(spans)]


def total_usage(spans: Iterable[Span]) -> dict[str, int]:
    """Token counts summed over the spans, without the SDK's copies under `original_usage.`."""
    total: Counter[str] = Counter()
    for span in spans:
        total.update({name: count for name, count in span.usage.items() if not name.startswith("original_usage.")})
    return dict(total)


def excerpt(value: Any) -> str:
    """The question in an input where it can be told, else the beginning of its JSON; one line."""
    if isinstance(value, dict):
        value = next((value[key] for key in QUESTION_KEYS if isinstance(value.get(key), str)), value)
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
    line = " ".join(text.split())
    return line if len(line) <= EXCERPT_CHARACTERS else line[: EXCERPT_CHARACTERS - 1] + "…"


def status(trace: Trace, spans: Sequence[Span]) -> str:
    """`error` when the trace or any span failed, `running` without an end, `stopped` when cancelled, else `ok`."""
    if trace.error_info or any(span.error_info for span in spans):
        return "error"
    if not trace.end_time:
        return "running"
    return "stopped" if _metadata(trace, FINISH_REASON) == CANCELLED else "ok"


def first_token(trace: Trace, spans: Sequence[Span]) -> float | None:
    """Milliseconds to the first token, from wherever it was reported."""
    scores = {score.name: score.value for score in trace.feedback_scores}
    reported = [trace.ttft, scores.get(TIME_TO_FIRST_TOKEN), _metadata(trace, TIME_TO_FIRST_TOKEN)]
    for span in spans:
        reported += [span.ttft, _metadata(span, TIME_TO_FIRST_TOKEN)]
    return next((float(value) for value in reported if isinstance(value, int | float)), None)


def model_version(trace: Trace, spans: Sequence[Span]) -> str | None:
    """The model's version that the trace or its spans name, else the model's name."""
    items = (trace, *spans)
    named = next((value for item in items if (value := _metadata(item, MODEL_VERSION))), None)
    return str(named) if named else next((span.model for span in spans if span.model), None)


def _metadata(item: Trace | Span, name: str) -> Any:
    return item.metadata.get(name) if isinstance(item.metadata, dict) else None


def _nested(spans: Sequence[Span]) -> Iterator[tuple[Span, int]]:
    known = {span.id for span in spans}
    children: dict[str | None, list[Span]] = {}
    for span in sorted(spans, key=lambda span: (span.start_time, span.id)):
        parent = span.parent_span_id if span.parent_span_id in known else None
        children.setdefault(parent, []).append(span)
    seen: set[str] = set()
    waiting = [(span, 0) for span in reversed(children.get(None, []))]
    while waiting:
        span, depth = waiting.pop()
        seen.add(span.id)
        yield span, depth
        waiting += [(child, depth + 1) for child in reversed(children.get(span.id, []))]
    yield from ((span, 0) for span in spans if span.id not in seen)
