"""What was told, a small file for each cause in `TWIN_HOME/alerts`: outbox, history and memory of causes in one.

On disk and not in the warehouse, which may be what the alert is about. Files are written whole, so neither a crash nor
a second daemon leaves a half of one; a change holds the outbox's lock for the instant that it takes.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from twin import disk
from twin.alerts.kinds import Kind, Severity, Template, template
from twin.records import content_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["Alert", "Outbox"]

logger = logging.getLogger(__name__)

KEPT = timedelta(days=30)
"""A cause that has not been told for so long is forgotten."""
NOTED_EVERY = timedelta(hours=1)
"""So often it is written down that a state still lasts."""
MAX_CAUSE = 300


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One cause, and what was said of it."""

    id: str
    kind: Kind
    cause: str
    title: str
    text: str
    severity: Severity
    urgent: bool
    first_at: datetime
    last_at: datetime
    """When it was reported last."""
    due_at: datetime
    """Since when the message that is waiting waits, or that went out waited."""
    reports: int = 1
    messages: int = 1
    """Messages that were due so far: the first and its reminders."""
    waits: bool = True
    """Whether a message has still to go out."""
    delivered: tuple[str, ...] = ()
    """The destinations that have the latest message."""
    sent_at: datetime | None = None
    """When the last destination had it; None when it went nowhere."""
    over: bool = False
    """Whether the cause is gone: the next time it counts as a new one."""


class Outbox:
    """The alerts of one home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = folder / "outbox.lock"

    def report(self, kind: Kind, cause: str, values: Mapping[str, object], now: datetime) -> Alert:
        """Writes down that something is the case. A cause that is known is counted; whether it is due again, its
        template says."""
        words, key = template(kind), content_hash(kind, cause)[:24]
        with disk.lock(self._lock):
            known = self._read(key)
            if known is None or known.over or now - known.last_at > KEPT:
                return self._write(_first(key, kind, cause, words.render(values), now))
            again = _is_due_again(known, words, now)
            if words.lasts and not again and _is_noted(known, now):
                return known
            alert = msgspec.structs.replace(
                known, last_at=max(now, known.last_at), reports=known.reports + (not words.lasts)
            )
            if again:
                title, text = words.render(values)
                alert = msgspec.structs.replace(
                    alert, title=title, text=text, due_at=now, waits=True, delivered=(), messages=known.messages + 1
                )
            return self._write(alert)

    def end(self, kind: Kind, is_over: Callable[[str], bool]) -> None:
        """Notes of a kind's causes which are the case no more; the next time they count as new."""
        for alert in self.all():
            if alert.kind == kind and not alert.over and is_over(alert.cause):
                self.change(alert.id, lambda found: msgspec.structs.replace(found, over=True))

    def change(self, key: str, change: Callable[[Alert], Alert]) -> None:
        """Replaces an alert by what `change` makes of it as it is now; nothing where it is gone."""
        with disk.lock(self._lock):
            if (found := self._read(key)) is not None:
                self._write(change(found))

    def all(self) -> list[Alert]:
        """Every alert, the oldest report first."""
        found = [alert for path in self.folder.glob("*.json") if (alert := self._read(path.stem))]
        return sorted(found, key=lambda alert: (alert.due_at, alert.id))

    def forget_old(self, now: datetime) -> None:
        """Removes what has not been reported for long and waits for nothing."""
        for alert in self.all():
            if not alert.waits and now - alert.last_at > KEPT:
                (self.folder / f"{alert.id}.json").unlink(missing_ok=True)

    def _read(self, key: str) -> Alert | None:
        path = self.folder / f"{key}.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=Alert)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            logger.warning("%s cannot be read and is passed over: %s", path, error)
            return None

    def _write(self, alert: Alert) -> Alert:
        disk.write(self.folder / f"{alert.id}.json", msgspec.json.format(msgspec.json.encode(alert)))
        return alert


def _first(key: str, kind: Kind, cause: str, words: tuple[str, str], now: datetime) -> Alert:
    title, text = words
    own = template(kind)
    return Alert(
        id=key,
        kind=kind,
        cause=cause[:MAX_CAUSE],
        title=title,
        text=text,
        severity=own.severity,
        urgent=own.urgent,
        first_at=now,
        last_at=now,
        due_at=now,
    )


def _is_due_again(alert: Alert, words: Template, now: datetime) -> bool:
    pause = timedelta(hours=words.remind_after_hours)
    return not alert.waits and alert.messages <= words.reminders and now - alert.due_at >= pause


def _is_noted(alert: Alert, now: datetime) -> bool:
    return not alert.over and timedelta() <= now - alert.last_at < NOTED_EVERY
