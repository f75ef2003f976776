"""When the writings that a question asks for were published: `posts since March 2024`, `what you wrote last year`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from twin.retrieval.understanding.context import concerns_publication

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from twin.retrieval.understanding.tokens import Token

__all__ = ["RECENT_DAYS", "Period", "find_period"]

RECENT_DAYS = 180
"""How far back `recent` and `latest` reach, from now or from the newest publication, whichever is earlier."""
EARLIEST_YEAR = 1990
"""Nothing that a twin reads was published before the web."""
INSTANT = timedelta(microseconds=1)

_MONTHS = {
    name: number
    for number, names in enumerate(
        [
            "january jan",
            "february feb",
            "march mar",
            "april apr",
            "may",
            "june jun",
            "july jul",
            "august aug",
            "september sep sept",
            "october oct",
            "november nov",
            "december dec",
        ],
        start=1,
    )
    for name in names.split()
}
_MONTH = rf"(?:{'|'.join(sorted(_MONTHS, key=len, reverse=True))})\b\.?"
_MOMENT = (
    rf"(?:\d{{4}}-\d{{2}}(?:-\d{{2}})?|{_MONTH}\s+(?:\d{{1,2}}(?:st|nd|rd|th)?,?\s+)?\d{{4}}"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}\s+\d{{4}}|\d{{4}})"
)
_JOINED = r"\s*(?:,\s*(?:(?:and|or)\s+)?|(?:(?<=\s)(?:and|or|to|until|till|through)\s+)|[-–—/&]\s*)"
_TODAY = r"(?:to|until|till|through)\s+(?:now|today|date|(?:the\s+)?present)"
_UNIT = r"(?P<unit>day|week|month|year)s?"
_PHRASE = re.compile(
    rf"\b(?:"
    rf"between\s+(?:the\s+years\s+)?(?P<low>{_MOMENT})\s+and\s+(?P<high>{_MOMENT})"
    rf"|from\s+(?P<from>{_MOMENT})\s+(?:to|until|till|through)\s+(?P<to>{_MOMENT})"
    rf"|(?P<since>since|starting\s+in|from)\s+(?P<since_moment>{_MOMENT})(?P<on>\s+(?:onwards?|on|{_TODAY}))"
    rf"|(?P<how>since|after|before|until|till|up\s+to|in|during|from|on|of)\s+(?:the\s+year\s+)?(?P<moment>{_MOMENT})(?:{_JOINED}(?P<moment_to>{_MOMENT}))*"
    rf"|(?:in|during|over|within|from)?\s*(?:the\s+)?(?:last|past)\s+(?P<count>\d{{1,3}}|two|three|four|five|six|twelve)\s+{_UNIT}"
    rf"|(?:(?:in|during|over|within|from|of|(?P<side>since|before|after|until|till))\s+)?(?P<the>the\s+)?"
    rf"(?P<which>last|past|this|previous)\s+(?P<period>week|month|year)"
    rf"|(?P<bare>{_MOMENT})(?:{_JOINED}(?P<bare_to>{_MOMENT}))*"
    rf"|(?:most\s+)?(?P<recent>recently|recent|latest|newest|lately)"
    rf")(?![\w-])"
)
_HINT = re.compile(r"\d{4}|\b(?:last|past|this|previous|recent|latest|newest|lately)", re.ASCII)
_COUNTS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "twelve": 12}
_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}


class Period(NamedTuple):
    """A stretch of time that a question names; both ends are included."""

    since: datetime | None
    until: datetime | None
    start: int
    end: int
    """The characters of the question that name it."""


def find_period(
    text: str, words: Sequence[Token], writers: Collection[int], *, now: datetime, newest: datetime | None
) -> Period | None:
    """The first stretch of time in `text` that is about publication.

    Args:
        text: The question.
        words: Its words.
        writers: Places of words that are an author's name.
        now: What `last year` is counted from.
        newest: The newest publication that can be found.
    """
    lowered = text.lower()
    if len(lowered) != len(text) or not _HINT.search(lowered):
        return None
    for match in _PHRASE.finditer(lowered):
        covered = [place for place, word in enumerate(words) if match.start() <= word.start < match.end()]
        if not covered or not concerns_publication(words, covered[0], covered[-1], writers, text):
            continue
        if match["bare"] and (match["bare"] == lowered.strip() or not _modifies(words, covered[-1])):
            continue
        if (bounds := _bounds(match, now, newest or now)) is not None:
            return Period(*bounds, match.start(), match.end())
    return None


def _modifies(words: Sequence[Token], last: int) -> bool:
    """Whether a bare date stands before what it dates: `2023 posts`."""
    return last + 1 < len(words)


def _bounds(match: re.Match[str], now: datetime, newest: datetime) -> tuple[datetime | None, datetime | None] | None:
    """The ends of the stretch; None when the phrase is no date after all."""
    if match["recent"]:
        return min(now, newest) - timedelta(days=RECENT_DAYS), None
    if match["count"]:
        count = _COUNTS.get(match["count"]) or int(match["count"])
        return now - timedelta(days=count * _DAYS[match["unit"]]), None
    if match["period"]:
        return _named(match, now)
    ends = [_moment(match[name]) for name in ("low", "high") if match[name]]
    ends = ends or [_moment(match[name]) for name in ("from", "to") if match[name]]
    if ends:
        first, last = ends[0], ends[-1]
        return (first[0], last[1]) if first and last and first[0] <= last[1] else None
    moment = _moment(match["since_moment"] or match["moment"] or match["bare"])
    how = match["how"] or match["since"] or "in"
    if moment is None or (how == "on" and moment[1] - moment[0] > timedelta(days=1)):
        return None  # "posts on 2024" are about that year
    joined = _moment(match["moment_to"] or match["bare_to"] or "")
    if joined:
        moment = min(moment[0], joined[0]), max(moment[1], joined[1])
    return _open_or_closed("since" if match["on"] else how, moment)


def _open_or_closed(how: str, moment: tuple[datetime, datetime]) -> tuple[datetime | None, datetime | None]:
    first, last = moment
    bounds: dict[str, Callable[[], tuple[datetime | None, datetime | None]]] = {
        "since": lambda: (first, None),
        "after": lambda: (last + INSTANT, None),
        "before": lambda: (None, first - INSTANT),
        "until": lambda: (None, last),
        "till": lambda: (None, last),
        "up to": lambda: (None, last),
    }
    return bounds.get(" ".join(how.split()), lambda: (first, last))()


def _named(match: re.Match[str], now: datetime) -> tuple[datetime | None, datetime | None] | None:
    """`last year` is a calendar year; `the last year` and `the past year` are the days up to now."""
    side, which = match["side"], match["which"]
    if side is None and (which == "past" or (which == "last" and match["the"])):
        return now - timedelta(days=_DAYS[match["period"]]), None
    first, last = _calendar(which, match["period"], now)
    if side == "since":
        return first, None
    if side == "before":
        return None, first - INSTANT
    if side is None:
        return first, last
    if last is None:
        return None
    return (last + INSTANT, None) if side == "after" else (None, last)


def _calendar(which: str, period: str, now: datetime) -> tuple[datetime, datetime | None]:
    """`last year` is the calendar year before this one, `this year` the running one; weeks begin on Monday."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    begins = {
        "year": today.replace(month=1, day=1),
        "month": today.replace(day=1),
        "week": today - timedelta(days=today.weekday()),
    }[period]
    if which == "this":
        return begins, None
    before = begins - timedelta(days=1)
    earlier = {
        "year": before.replace(month=1, day=1),
        "month": before.replace(day=1),
        "week": begins - timedelta(days=7),
    }[period]
    return earlier, begins - INSTANT


def _moment(text: str) -> tuple[datetime, datetime] | None:
    """First and last instant of a day, month or year; None when there is no such date."""
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    if not numbers:
        return None
    month = next((_MONTHS[word] for word in re.findall(r"[a-z]+", text) if word in _MONTHS), None)
    if re.match(r"\d{4}-", text):
        year, *rest = numbers
    elif month is not None:
        *days, year = numbers
        rest = [month, *days]
    else:
        year, rest = numbers[0], []
    if not EARLIEST_YEAR <= year < 2100:
        return None
    try:
        first = datetime(year, rest[0] if rest else 1, rest[1] if len(rest) > 1 else 1, tzinfo=UTC)
    except ValueError:
        return None
    if len(rest) > 1:
        return first, first + timedelta(days=1) - INSTANT
    if rest:
        following = datetime(year + rest[0] // 12, rest[0] % 12 + 1, 1, tzinfo=UTC)
        return first, following - INSTANT
    return first, datetime(year + 1, 1, 1, tzinfo=UTC) - INSTANT
