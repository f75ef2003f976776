"""What a question asks for besides its subject: whose writings, from when, published where. Rules alone, no model.

The rules prefer a miss to a mistake: a filter that is wrong hides the answer, one that is missing costs a few ranks.
They read English; a question in another language goes through unchanged.
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations at run time
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec.structs import replace

from twin.features.index import EVERYTHING, Filters
from twin.retrieval.understanding.dates import find_period
from twin.retrieval.understanding.names import find_authors
from twin.retrieval.understanding.places import find_kind, find_platform
from twin.retrieval.understanding.tokens import tokens, without

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.retrieval.understanding.dates import Period
    from twin.retrieval.understanding.names import Named
    from twin.retrieval.understanding.places import Place
    from twin.retrieval.understanding.tokens import Token

__all__ = ["Field", "Known", "Mention", "Understood", "stretch", "understand"]

Field = Literal["author", "published", "platform", "kind"]


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What a question can refer to: authors, platforms, kinds and dates that the index has."""

    authors: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    published_from: datetime | None = None
    published_until: datetime | None = None


class Mention(msgspec.Struct, frozen=True, kw_only=True):
    """Words of a question that restrict what is searched."""

    field: Field
    text: str
    """The words; empty when a language model read it from the whole question."""
    means: str
    """What they were taken for, for people: a name, `2023-01-01 to 2023-12-31`."""
    cut: tuple[int, int] = (0, 0)
    """The characters of the question that are not searched for."""


class Understood(msgspec.Struct, frozen=True, kw_only=True):
    """A question, taken apart."""

    question: str
    """As asked."""
    mentions: tuple[Mention, ...] = ()
    filters: Filters = EVERYTHING
    """What the mentions ask for."""

    @property
    def text(self) -> str:
        """What is searched for: the question without its mentions."""
        return without(self.question, [mention.cut for mention in self.mentions]) if self.mentions else self.question

    def loosened(self) -> tuple[Understood, Field] | None:
        """This without its most doubtful restriction, and which that was; None when there is none left."""
        for field in DOUBTFUL:
            if any(mention.field == field for mention in self.mentions):
                kept = tuple(mention for mention in self.mentions if mention.field != field)
                without_it = replace(self.filters, **UNSET[field])
                return Understood(question=self.question, mentions=kept, filters=without_it), field
        return None


DOUBTFUL: tuple[Field, ...] = ("kind", "platform", "published", "author")
"""The order in which restrictions that leave nothing are given up."""
UNSET: dict[Field, dict[str, Any]] = {
    "kind": {"kinds": ()},
    "platform": {"platforms": ()},
    "published": {"published_from": None, "published_until": None},
    "author": {"authors": ()},
}


def understand(question: str, known: Known, *, now: datetime) -> Understood:
    """What `question` asks for. Takes 0.05 to 0.1 ms.

    Args:
        question: As asked.
        known: What it may refer to. A date counts when something was published around it.
        now: What `last year` is counted from.
    """
    words = tokens(question)
    named = find_authors(question, words, known.authors)
    writers = {place for name in named for place in range(name.first, name.last + 1)}
    mentions = [_author(question, words, name) for name in named]
    period = find_period(question, words, writers, now=now, newest=known.published_until)
    if period is not None and not _overlaps(period, known):
        period = None
    platform = find_platform(question, words, writers, known.platforms)
    kind = find_kind(question, words, writers, known.kinds)
    mentions += [_period(question, period)] if period else []
    mentions += [_place(question, "platform", platform)] if platform else []
    mentions += [_place(question, "kind", kind)] if kind else []
    if not mentions:
        return Understood(question=question)
    return Understood(
        question=question,
        mentions=tuple(mentions),
        filters=Filters(
            authors=tuple(dict.fromkeys(name.author for name in named)),
            published_from=period.since if period else None,
            published_until=period.until if period else None,
            platforms=platform.values if platform else (),
            kinds=kind.values if kind else (),
        ),
    )


def _author(question: str, words: Sequence[Token], name: Named) -> Mention:
    start, end = words[name.first].start, words[name.last].end
    cut = _before_by(words, name.first), _after_possessive(question, end)
    return Mention(field="author", text=question[start:end], means=name.author, cut=cut)


def _period(question: str, period: Period) -> Mention:
    cut = period.start, period.end
    return Mention(field="published", text=question[slice(*cut)].strip(), means=stretch(period[0], period[1]), cut=cut)


def _place(question: str, field: Literal["platform", "kind"], place: Place) -> Mention:
    cut = place.start, place.end
    return Mention(field=field, text=question[slice(*cut)], means=", ".join(place.values), cut=cut)


def _before_by(words: Sequence[Token], first: int) -> int:
    """Where a name begins with the `by` or `according to` before it."""
    before = [word.folded for word in words[max(0, first - 2) : first]]
    return words[first - len(before) if before == ["according", "to"] else first - (before[-1:] == ["by"])].start


def _after_possessive(text: str, end: int) -> int:
    if text[end : end + 1] not in ("'", "’"):
        return end
    return end + 2 if text[end + 1 : end + 2].lower() == "s" else end + 1


def _overlaps(period: Period, known: Known) -> bool:
    """Whether the stretch touches the time in which something was published at all."""
    if known.published_from is None or known.published_until is None:
        return False
    begins_in_time = period.since is None or period.since <= known.published_until
    return begins_in_time and (period.until is None or period.until >= known.published_from)


def stretch(since: datetime | None, until: datetime | None) -> str:
    """A stretch of time for people: `2023-01-01 to 2023-12-31`, `since 2023-01-01`."""
    begin, end = (moment.date().isoformat() if moment else "" for moment in (since, until))
    if begin and end:
        return f"{begin} to {end}"
    return f"since {begin}" if begin else f"until {end}"
