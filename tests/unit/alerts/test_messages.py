"""When alerts go out, and as how many messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from twin.alerts import Alert, hours, messages
from twin.alerts.destinations import Health
from twin.errors import SettingsError
from twin.settings import AlertSettings

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def settings(**values: object) -> AlertSettings:
    return AlertSettings.model_validate({"ALERT_TIMEZONE": "UTC", **values})


def alert(number: int = 0, severity: str = "info") -> Alert:
    return Alert(
        id=str(number),
        kind="run_failed",
        cause="",
        title=f"Title {number}",
        text="Text",
        severity=severity,  # ty: ignore[invalid-argument-type]
        urgent=False,
        first_at=NOW,
        last_at=NOW,
        due_at=NOW,
    )


@pytest.mark.parametrize(
    ("clock", "quiet"), [("21:59", False), ("22:00", True), ("00:30", True), ("06:59", True), ("07:00", False)]
)
def test_quiet_hours_go_over_midnight(clock: str, quiet: bool) -> None:
    moment = datetime.fromisoformat(f"2026-11-28T{clock}:00+00:00")
    assert hours.is_quiet(moment, settings(ALERT_QUIET_HOURS="22:00-07:00")) is quiet
    assert not hours.is_quiet(moment, settings())


def test_hours_are_those_of_the_zone_that_is_set() -> None:
    moment = datetime(2026, 7, 1, 21, 30, tzinfo=UTC)  # 23:30 in summer in Vienna
    assert hours.is_quiet(moment, settings(ALERT_QUIET_HOURS="23:00-06:00", ALERT_TIMEZONE="Europe/Vienna"))
    assert hours.digest_day(moment, settings(ALERT_DIGEST_AT="23:00", ALERT_TIMEZONE="Europe/Vienna")) == "2026-07-01"
    assert hours.digest_day(moment, settings(ALERT_DIGEST_AT="23:00")) is None
    assert hours.digest_day(moment, settings(ALERT_DIGEST_AT="off")) is None
    with pytest.raises(SettingsError, match="Europe/Nowhere"):
        hours.is_quiet(moment, settings(ALERT_QUIET_HOURS="23:00-06:00", ALERT_TIMEZONE="Europe/Nowhere"))


def test_hours_that_are_none_are_refused() -> None:
    for wrong in ("25:00-07:00", "22-7", "22:00"):
        with pytest.raises(ValueError, match="ALERT_QUIET_HOURS"):
            settings(ALERT_QUIET_HOURS=wrong)


def test_what_is_too_much_goes_out_as_one_message_and_the_gravest_first() -> None:
    few = [alert(number) for number in range(3)]
    assert [message.title for message in messages.planned(few, 3, settings())] == [
        f"[llm-twin] Title {number}" for number in range(3)
    ]
    assert messages.planned(few, 0, settings()) == []
    many = [*(alert(number) for number in range(30)), alert(99, "failure")]
    (one,) = messages.planned(many, 10, settings())
    assert one.title == "[llm-twin] 31 alerts at once"
    assert one.severity == "failure"
    assert one.text.splitlines()[0].endswith("Title 99")
    assert "and 11 more" in one.text


def test_the_digest_tells_of_the_last_day_alone() -> None:
    assert messages.digest([], NOW, settings()) is None
    assert messages.digest([alert()], NOW + timedelta(days=1), settings()) is None
    found = messages.digest([alert()], NOW + timedelta(hours=23), settings())
    assert found is not None
    assert "Title 0" in found.text


def test_a_place_that_fails_is_asked_less_and_less_often_and_a_clock_put_back_does_not_silence_it() -> None:
    health, pauses = Health(), []
    for _ in range(6):
        health = health.failed(NOW, "away")
        assert health.next_at is not None
        pauses.append((health.next_at - NOW) / timedelta(minutes=1))
    assert pauses == [1, 2, 4, 8, 15, 15]
    assert health.rests(NOW)
    assert not health.rests(NOW + timedelta(minutes=15))
    assert not health.rests(NOW - timedelta(days=1))
    assert health.succeeded(NOW).failing_since is None
