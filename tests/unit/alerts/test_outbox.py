"""Once for each cause: what is told again, what is not, and what survives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from twin.alerts import Alert, Outbox, template

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
FAILED = template("run_failed").sample
WAITS = template("review_waits").sample
HOUR = timedelta(hours=1)


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "alerts")


def sent(outbox: Outbox, alert: Alert) -> None:
    outbox.change(alert.id, lambda found: msgspec.structs.replace(found, waits=False, sent_at=NOW))


def test_a_cause_is_told_once_however_often_it_comes(outbox: Outbox) -> None:
    for minute in range(5):
        alert = outbox.report("run_failed", "ingest/x: away", FAILED, NOW + minute * timedelta(minutes=1))
        sent(outbox, alert)
    (kept,) = outbox.all()
    assert (kept.reports, kept.waits, kept.messages) == (5, False, 1)
    outbox.report("run_failed", "ingest/x: another", FAILED, NOW)
    assert len(outbox.all()) == 2


def test_a_cause_that_was_over_counts_as_new(outbox: Outbox) -> None:
    sent(outbox, outbox.report("run_failed", "ingest/x: away", FAILED, NOW))
    outbox.end("run_failed", lambda cause: cause.startswith("ingest/"))
    assert outbox.report("run_failed", "ingest/x: away", FAILED, NOW + HOUR).waits


def test_a_review_is_asked_for_again_after_a_day_and_then_no_more(outbox: Outbox) -> None:
    due = []
    for hour in range(80):
        alert = outbox.report("review_waits", "1.0.0", WAITS, NOW + hour * HOUR)
        if alert.waits:
            due.append(hour)
            sent(outbox, alert)
    assert due == [0, 24]
    assert outbox.all()[0].reports == 1  # a state that lasts is one thing


def test_a_state_that_lasts_writes_nothing_each_time_it_is_seen(outbox: Outbox) -> None:
    alert = outbox.report("review_waits", "1.0.0", WAITS, NOW)
    file = outbox.folder / f"{alert.id}.json"
    before = file.stat().st_ino
    outbox.report("review_waits", "1.0.0", WAITS, NOW + timedelta(minutes=1))
    assert file.stat().st_ino == before


def test_old_alerts_go_and_those_that_wait_stay(outbox: Outbox) -> None:
    sent(outbox, outbox.report("run_failed", "a", FAILED, NOW))
    outbox.report("run_failed", "b", FAILED, NOW)
    outbox.forget_old(NOW + timedelta(days=31))
    assert [alert.cause for alert in outbox.all()] == ["b"]


def test_a_damaged_file_is_passed_over(outbox: Outbox) -> None:
    alert = outbox.report("run_failed", "a", FAILED, NOW)
    (outbox.folder / f"{alert.id}.json").write_text("{")
    assert outbox.all() == []
    assert outbox.report("run_failed", "a", FAILED, NOW).waits
