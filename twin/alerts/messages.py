"""How alerts become messages: each by itself, many as one, and a day as a digest."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from twin.alerts.hours import local

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from twin.alerts.kinds import Severity
    from twin.alerts.outbox import Alert
    from twin.settings import AlertSettings

__all__ = ["Message", "digest", "planned"]

MARK = "[llm-twin]"
LISTED = 20
DAY = timedelta(days=1)
GRAVITY: tuple[Severity, ...] = ("failure", "warning", "success", "info")


class Message(NamedTuple):
    """What goes out at once."""

    title: str
    text: str
    severity: Severity
    alerts: Sequence[Alert] = ()
    """Those that it tells."""


def planned(waiting: Sequence[Alert], room: int, settings: AlertSettings) -> list[Message]:
    """The messages for alerts that wait, when `room` messages may go out: one each, or one for all where they are too
    many, so that none is lost and nobody is flooded."""
    if room <= 0 or not waiting:
        return []
    if len(waiting) <= room:
        return [Message(f"{MARK} {one.title}", _dated(one, settings), one.severity, [one]) for one in waiting]
    title = f"{MARK} {len(waiting)} alerts at once"
    return [Message(title, _listed(waiting, settings), _gravest(waiting), waiting)]


def digest(alerts: Sequence[Alert], now: datetime, settings: AlertSettings) -> Message | None:
    """What happened in the day before `now`; None when nothing did."""
    lately = [alert for alert in alerts if now - alert.last_at < DAY]
    if not lately:
        return None
    return Message(f"{MARK} The last day: {len(lately)} alerts", _listed(lately, settings), "info")


def _dated(alert: Alert, settings: AlertSettings) -> str:
    at = f"{local(alert.due_at, settings):%Y-%m-%d %H:%M %Z}"
    return f"{alert.text}\n{at}"


def _listed(alerts: Sequence[Alert], settings: AlertSettings) -> str:
    lines = []
    for alert in sorted(alerts, key=lambda one: GRAVITY.index(one.severity))[:LISTED]:
        often = f" ({alert.reports} times)" if alert.reports > 1 else ""
        over = " - over" if alert.over else ""
        lines.append(f"{local(alert.due_at, settings):%m-%d %H:%M}  {alert.title}{often}{over}")
    if len(alerts) > LISTED:
        lines.append(f"and {len(alerts) - LISTED} more")
    return "\n".join([*lines, "All of them: llm-twin alerts list"])


def _gravest(alerts: Sequence[Alert]) -> Severity:
    return min((alert.severity for alert in alerts), key=GRAVITY.index)
