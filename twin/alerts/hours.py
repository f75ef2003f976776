"""Quiet hours and the hour of the digest, on the clock of whoever is told."""

from __future__ import annotations

from datetime import time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from twin.errors import SettingsError

if TYPE_CHECKING:
    from datetime import datetime

    from twin.settings import AlertSettings

__all__ = ["digest_day", "is_quiet", "local"]


def local(moment: datetime, settings: AlertSettings) -> datetime:
    """The moment on the clock that ALERT_TIMEZONE names, else the machine's.

    Raises:
        SettingsError: There is no such zone.
    """
    if not settings.timezone:
        return moment.astimezone()
    try:
        return moment.astimezone(ZoneInfo(settings.timezone))
    except (ZoneInfoNotFoundError, ValueError):
        raise SettingsError(f"ALERT_TIMEZONE={settings.timezone} is no time zone; name one as Europe/London.") from None


def is_quiet(moment: datetime, settings: AlertSettings) -> bool:
    """Whether only what is urgent goes out now. Hours may go over midnight."""
    if settings.quiet_hours == "off":
        return False
    begin, end = (time.fromisoformat(part) for part in settings.quiet_hours.split("-"))
    now = local(moment, settings).time()
    return begin <= now < end if begin <= end else now >= begin or now < end


def digest_day(moment: datetime, settings: AlertSettings) -> str | None:
    """The day whose digest is due by now; None before its hour, or where there is none."""
    if settings.digest_at == "off":
        return None
    now = local(moment, settings)
    return now.date().isoformat() if now.time() >= time.fromisoformat(settings.digest_at) else None
