"""The places that alerts go to, each an Apprise URL, and how each is doing."""

from __future__ import annotations

import functools
import hashlib
import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from twin import disk, http_clients
from twin.alerts.wording import safe

if TYPE_CHECKING:
    from pathlib import Path

    from twin.alerts.kinds import Severity

__all__ = ["Destination", "Health", "HealthFile", "opened"]

SERVICE_SECONDS = 30.0
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(minutes=15)
HOUR = timedelta(hours=1)


class Destination:
    """One place. Nothing is asked until something is sent."""

    def __init__(self, number: int, url: str) -> None:
        self.key = hashlib.sha256(url.encode()).hexdigest()[:16]
        """Stands for it on disk, without telling what it is."""
        self._url = url
        self._number = number

    @functools.cached_property
    def _plugin(self) -> Any:
        import apprise

        server = f"http://{urlsplit(self._url).hostname or ''}"
        http_clients.spare_proxy(server)
        asset = apprise.AppriseAsset(
            app_id="LLM Twin", async_mode=False, storage_mode="memory", service_timeout=SERVICE_SECONDS
        )
        plugin = apprise.Apprise.instantiate(self._url, asset=asset)
        if plugin is not None and http_clients.is_ours(server):
            plugin.request_rate_per_sec = 0  # Apprise spares services; what is on this machine needs no pauses
        return plugin

    @property
    def name(self) -> str:
        """What people call it; its address may be a secret, so it is told by its place in ALERT_URLS."""
        service = getattr(self._plugin, "service_name", None)
        return f"{service or urlsplit(self._url).scheme or 'unknown'} ({self._number} of ALERT_URLS)"

    @property
    def is_understood(self) -> bool:
        """Whether Apprise knows what to do with the URL."""
        return self._plugin is not None

    def send(self, title: str, text: str, severity: Severity) -> str:
        """Delivers a message; returns why that failed, and nothing when it did not."""
        import apprise

        if self._plugin is None:
            return "Apprise does not understand this URL."
        sender = apprise.Apprise(asset=self._plugin.asset)
        sender.add(self._plugin)
        with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as said:
            delivered = bool(sender.notify(body=text, title=title, notify_type=severity, body_format="text"))
            return "" if delivered else safe(said.getvalue()) or "It was not accepted."


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How a destination is doing."""

    sent: tuple[datetime, ...] = ()
    """When the messages of the last hour went out."""
    failing_since: datetime | None = None
    attempts: int = 0
    next_at: datetime | None = None
    """Not before then it is tried again."""
    error: str = ""
    digest: str = ""
    """The day of the last digest."""

    def rests(self, now: datetime) -> bool:
        """Whether it failed so lately that it is not tried now. A clock that was put back makes it no longer rest."""
        return self.next_at is not None and now < self.next_at <= now + LONGEST_PAUSE

    def within_hour(self, now: datetime) -> tuple[datetime, ...]:
        """The messages of the hour before `now`."""
        return tuple(at for at in self.sent if timedelta() <= now - at < HOUR)

    def succeeded(self, now: datetime) -> Health:
        """As it is after a message went out."""
        return Health(sent=(*self.within_hour(now), now), digest=self.digest)

    def failed(self, now: datetime, error: str) -> Health:
        """As it is after a message did not."""
        pause = min(FIRST_PAUSE * 2 ** min(self.attempts, 8), LONGEST_PAUSE)
        return msgspec.structs.replace(
            self,
            sent=self.within_hour(now),
            failing_since=self.failing_since or now,
            attempts=self.attempts + 1,
            next_at=now + pause,
            error=error,
        )


class HealthFile:
    """How every destination is doing, in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Health]:
        """By a destination's key. What cannot be read is begun anew."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, Health])
        except (FileNotFoundError, msgspec.DecodeError):
            return {}

    def write(self, health: dict[str, Health]) -> None:
        """Replaces it."""
        disk.write(self._path, msgspec.json.format(msgspec.json.encode(health)))


def opened(urls: str) -> list[Destination]:
    """The destinations of ALERT_URLS."""
    if not urls.strip():
        return []
    from apprise.utils.parse import parse_urls

    return [Destination(number, url) for number, url in enumerate(parse_urls(urls), start=1)]
