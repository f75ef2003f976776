"""Dates as documents give them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone

__all__ = ["parse_date"]

TIMESTAMP = re.compile(
    r"(\d{4})[-/](\d\d?)[-/](\d\d?)"
    r"(?:(?:[Tt]|[ \t]+)(\d\d?):(\d\d)(?::(\d\d)(?:[.,]\d*)?)?[ \t]*(?:Z|z|UTC|GMT|([+-])(\d\d?):?(\d\d)?)?)?"
)
"""A day, or a moment, as YAML and the static site generators write it: `2019-03-04 22:44:26 -0700`."""
WRITTEN_DATES = ("%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%d %b %Y")


def parse_date(value: object) -> datetime | None:
    """A date as documents give it, in UTC and to the second; None when it cannot be told.

    Without a time zone it is taken as UTC. To the second, because a database that keeps milliseconds must give back
    exactly what it was given.
    """
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day, tzinfo=UTC)
    elif isinstance(value, str):
        moment = _parse_text(value.strip())
    else:
        return None
    if moment is None:
        return None
    try:
        zoned = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:  # year 1 or 9999 with an offset that leads out of the calendar
        return None
    return zoned.replace(microsecond=0)


def _parse_text(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    if found := TIMESTAMP.fullmatch(text):
        return _moment(found)
    for pattern in WRITTEN_DATES:
        try:
            return datetime.strptime(text, pattern).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def _moment(found: re.Match[str]) -> datetime | None:
    numbers = [int(part or 0) for part in found.groups()[:6]]
    sign, hours, minutes = found.groups()[6:]
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        return datetime(*numbers, tzinfo=timezone(-offset if sign == "-" else offset))
    except ValueError:  # no such day, or a zone a day away
        return None
