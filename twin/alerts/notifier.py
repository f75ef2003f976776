"""The one place through which anybody is told anything."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from twin import disk
from twin.alerts import destinations, hours, messages
from twin.alerts.destinations import Destination, Health, HealthFile
from twin.alerts.kinds import KINDS, Kind, template
from twin.alerts.outbox import Alert, Outbox
from twin.records import utcnow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from twin.alerts.messages import Message
    from twin.settings import AlertSettings

__all__ = ["Notifier", "Result"]

logger = logging.getLogger(__name__)


FLUSH_SECONDS = 20.0
"""After so long with one destination the rest waits for the next flush: Dagster ends a tick that takes a minute."""


class Result(NamedTuple):
    """What became of one message to one destination."""

    kind: str
    destination: str
    problem: str
    """Empty when it was delivered."""


class Notifier:
    """Tells people. What is told is in the outbox before this returns; `flush` sends what waits.

    Safe to use from several processes: each alert is sent by one of them.
    """

    def __init__(self, folder: Path, settings: AlertSettings, *, clock: Callable[[], datetime] = utcnow) -> None:
        self.outbox = Outbox(folder)
        self._settings = settings
        self._clock = clock
        self._health = HealthFile(folder / "state" / "destinations.json")
        self._sender = folder / "state" / "sender.lock"
        urls = settings.urls.get_secret_value() if settings.urls else ""
        self.destinations: Sequence[Destination] = destinations.opened(urls)

    def tell(self, kind: Kind, cause: str, **values: object) -> Alert:
        """Tells that something happened, once for each `cause`; `values` are what the kind's template names."""
        return self.outbox.report(kind, cause, values, self._clock())

    def standing(self, kind: Kind, cases: Mapping[str, Mapping[str, object]]) -> None:
        """Tells what is the case now, values by cause. What is no more may be told again when it comes back."""
        for cause, values in cases.items():
            self.tell(kind, cause, **values)
        self.outbox.end(kind, lambda cause: cause not in cases)

    def over(self, kind: Kind, about: str) -> None:
        """Tells that whatever of a kind was told under a cause that begins with `about` is the case no more."""
        self.outbox.end(kind, lambda cause: cause.startswith(about))

    def health(self) -> list[tuple[Destination, Health]]:
        """Each destination, and how it is doing."""
        known = self._health.read()
        return [(place, known.get(place.key, Health())) for place in self.destinations]

    def flush(self) -> int:
        """Sends what is due and may go out now; returns how many messages went out. None while another process does."""
        try:
            with disk.try_lock(self._sender, BlockingIOError):
                return self._flush(self._clock())
        except BlockingIOError:
            return 0

    def test(self, kinds: Iterable[Kind] = KINDS) -> list[Result]:
        """Sends one alert of each kind to every destination, past the outbox and its limits."""
        results = []
        for kind in kinds:
            words = template(kind)
            title, text = words.render(words.sample)
            for place in self.destinations:
                problem = place.send(f"{messages.MARK} Test: {title}", text, words.severity)
                results.append(Result(kind, place.name, problem))
        return results

    def _flush(self, now: datetime) -> int:
        self.outbox.forget_old(now)
        waiting = [alert for alert in self.outbox.all() if alert.waits]
        health = self._health.read()
        sent = 0
        for place in self.destinations:
            before = health.get(place.key, Health())
            if before.rests(now):
                continue
            for after, went in self._serve(place, before, waiting, now):
                health[place.key] = after
                self._health.write(health)
                sent += went
        for alert in waiting:
            self.outbox.change(alert.id, lambda found: self._settled(found, now))
        return sent

    def _serve(
        self, place: Destination, health: Health, waiting: Sequence[Alert], now: datetime
    ) -> Iterator[tuple[Health, bool]]:
        """Sends one destination what waits for it, until it fails; how it is doing after each message, and whether that
        went out."""
        quiet = hours.is_quiet(now, self._settings)
        theirs = [alert for alert in waiting if place.key not in alert.delivered and (alert.urgent or not quiet)]
        room = self._settings.per_hour - len(health.within_hour(now))
        deadline = time.monotonic() + FLUSH_SECONDS
        for message in messages.planned(theirs, room, self._settings):
            if time.monotonic() > deadline:
                return
            health, delivered = self._deliver(place, health, message, now)
            if delivered:
                for alert in message.alerts:
                    self._mark(alert, place)
            yield health, delivered
            if not delivered:
                return
        day = hours.digest_day(now, self._settings)
        if day is None or health.digest == day:
            return
        summary = messages.digest(self.outbox.all(), now, self._settings)
        if summary is None or not health.digest:  # the first one would tell again what was told just now
            yield msgspec.structs.replace(health, digest=day), False
            return
        health, delivered = self._deliver(place, health, summary, now)
        yield (msgspec.structs.replace(health, digest=day) if delivered else health), delivered

    def _deliver(self, place: Destination, health: Health, message: Message, now: datetime) -> tuple[Health, bool]:
        problem = place.send(message.title, message.text, message.severity)
        if not problem:
            return health.succeeded(now), True
        if health.failing_since is None:
            logger.warning("Alerts wait: %s does not take them: %s", place.name, problem)
        return health.failed(now, problem), False

    def _mark(self, alert: Alert, place: Destination) -> None:
        def delivered(found: Alert) -> Alert:
            if found.messages != alert.messages or found.due_at != alert.due_at:  # a later message is due by now
                return found
            return msgspec.structs.replace(found, delivered=(*found.delivered, place.key))

        self.outbox.change(alert.id, delivered)

    def _settled(self, alert: Alert, now: datetime) -> Alert:
        """The alert, waiting no more once every destination has it. Where there is none, it went nowhere."""
        if not all(place.key in alert.delivered for place in self.destinations):
            return alert
        return msgspec.structs.replace(alert, waits=False, sent_at=now if self.destinations else None)
