"""What of how things stand is worth an alert."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from twin.alerts import conditions, template
from twin.records import ModelVersion, Source
from twin.serving.endpoint import EndpointStatus
from twin.warehouse.looks import LastLook

if TYPE_CHECKING:
    from pathlib import Path

    from twin.alerts import Kind

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def fits(kind: Kind, cases: conditions.Cases, **more: str) -> None:
    """Each case has exactly what the kind's template names."""
    for values in cases.values():
        assert set(values) | set(more) == template(kind).fields


def version(number: str, review: str) -> ModelVersion:
    return ModelVersion(name="llm-twin", version=number, status="Development", review=review, created_at=NOW)  # ty: ignore[invalid-argument-type]


def test_only_the_newest_version_is_waited_for() -> None:
    assert conditions.awaiting_review([], lambda _: None) == {}
    assert conditions.awaiting_review([version("1.1.0", "approved"), version("1.0.0", "pending")], lambda _: None) == {}
    found = conditions.awaiting_review([version("1.1.0", "pending"), version("1.0.0", "pending")], lambda _: "link")
    assert list(found) == ["1.1.0"]
    fits("review_waits", found)


def failing(count: int, since: datetime) -> conditions.Cases:
    sources = [Source(kind="article", location=f"https://example.com/{number}") for number in range(count)]
    look = LastLook(at=NOW, counts={"failed": 1}, error="The server answers 503.", failing_since=since)
    fine = LastLook(at=NOW, counts={"unchanged": 1})
    known = [*sources, Source(kind="article", location="https://example.com/fine")]
    looks = {source.id: look for source in sources} | {known[-1].id: fine}
    return conditions.failing_sources(known, looks, NOW, DAY)


def test_a_source_is_told_when_it_fails_for_a_day_and_many_are_told_as_one() -> None:
    assert failing(1, NOW - DAY + timedelta(minutes=1)) == {}
    one = failing(1, NOW - DAY)
    (values,) = one.values()
    assert (values["what"], values["hours"]) == ("A source", 24)
    fits("source_failing", one)
    many = failing(9, NOW - 2 * DAY)
    assert many["many"]["what"] == "9 of 10 sources"
    fits("source_failing", many)


def test_a_disk_is_full_when_less_than_asked_is_free(tmp_path: Path) -> None:
    assert conditions.full_disk(tmp_path, 0) == {}
    fits("disk_full", found := conditions.full_disk(tmp_path, 1e9))
    assert list(found) == ["disk"]


def test_a_rollback_is_what_was_taken_out_and_serves_no_more() -> None:
    assert conditions.taken_out(EndpointStatus(state="InService", version="1.1.0")) == {}
    found = conditions.taken_out(EndpointStatus(state="InService", version="1.0.0", held=("1.1.0",), message="why"))
    assert found == {
        "1.1.0 for version 1.0.0": {"version": "1.1.0", "serving": "version 1.0.0", "reason": "why"},
    }
    deleted = conditions.taken_out(EndpointStatus(state="Absent", held=("1.0.0",)))
    assert deleted["1.0.0 for nothing"]["serving"] == "nothing"


def test_a_step_is_slow_beside_its_slowest_run_of_late() -> None:
    before = [{"chunks": 30.0, "embeddings": 50.0}] * 6
    assert conditions.slow_steps({"embeddings": 149.0, "chunks": 59.0}, before, 3) == {}
    assert conditions.slow_steps({"embeddings": 500.0}, before[:4], 3) == {}  # too few to compare with
    found = conditions.slow_steps({"embeddings": 151.0}, before, 3)
    assert found["embeddings"]["factor"] == "3.0"
    fits("step_slow", found, job="", link="")


def test_figures_are_told_beside_those_of_a_rival_that_was_there() -> None:
    figures = {"perplexity_tuned": 18.2, "perplexity_base": 41.0, "chrf_tuned": 24.0}
    assert conditions.compared_figures(figures, "base") == "perplexity 18.20 (it has 41.00)"
    assert conditions.compared_figures(figures, "production") == ""
