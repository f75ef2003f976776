"""Which of the known authors a question asks to hear from.

A person who is only talked about ("what happened to Paul Iusztin's company?") is content. A name counts where the
question makes its bearer the one who writes or thinks: "what does Paul think of", "according to Iusztin", "Maxime's
articles", "Maxime, how do you ...". A first or last name alone must be unambiguous and stand alone: "by Paul Graham" is
not Paul Iusztin.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from twin.retrieval.understanding.context import AUXILIARIES, NEGATIONS, NOUNS, PUBLISHED, WRITING
from twin.retrieval.understanding.tokens import Token, is_possessive, tokens, vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Named", "find_authors"]

THINKING = WRITING | vocabulary(
    """believe believes believed suggest suggests suggested argue argues argued advise advises advised prefer
    prefers preferred use uses used describe describes described define defines defined mean means meant like
    likes approach approaches recommend recommends feel feels consider considers see sees view views teach
    teaches taught tell tells told build builds built evaluate evaluates handle handles claim claims claimed
    agree agrees agreed disagree disagrees disagreed propose proposes proposed warn warns warned know knows deal
    deals"""
)
OPINIONS = NOUNS | vocabulary(
    """opinion opinions view views take takes thought thoughts advice approach approaches recommendation
    recommendations words perspective perspectives stance position tip tips tutorial tutorials guide guides
    definition argument arguments repository repositories repo repos reasoning experience"""
)
"""What belongs to somebody as the one who wrote or thinks."""
ADVERBS = vocabulary("ever also already actually really usually currently now still generally")
TRAILING = vocabulary("recent latest own blog last github code public")
ASKING = AUXILIARIES | vocabulary("would is can could should how what that which why where")
JOINING: tuple[list[str], ...] = ([], ["and"], ["or"], ["vs"], ["versus"], ["as", "well", "as"])
"""What stands between authors who are named together; nothing but a comma, too."""
GREETINGS = vocabulary("hey hi hello dear ask")
NOT_A_PERSON = vocabulary(
    """the a an team teams inc llc ltd gmbh group blog project foundation company org institute university lab labs
    of and de la von van der den el al bin"""
)
ORDINARY = vocabulary(
    """will mark may grace rob bill art frank max drew hope faith dawn june april august jack pat sue ray gene guy
    dean earl rich chase grant miles pierce wade page young long short small little white black brown green gray
    grey king knight day rose lily iris joy sky star bell cook hunter baker carter mason porter price stone wood
    woods rice field hill banks rivers lake park west north love best good wise sharp strong swift sun major
    ford pen sandy penny chip cliff christian jordan paris london chelsea austin dallas"""
)
"""Names that are words: these count only with a capital letter."""
MADE = vocabulary("built made run led taught sung given done won held bought sold")
"""What is followed by who did it, as words in -ed are."""
LEAST_LETTERS = 3


class Named(NamedTuple):
    """An author whom a question asks to hear from."""

    author: str
    first: int
    last: int
    """The words of the question that name the author."""


class _Directory(NamedTuple):
    full: Mapping[str, Sequence[tuple[tuple[str, ...], str]]]
    """Authors by the first word of their name, longest names first."""
    parts: Mapping[str, str]
    """Authors by a first or last name that only one of them has."""


@lru_cache(maxsize=8)
def _directory(authors: tuple[str, ...]) -> _Directory:
    full: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    parts: dict[str, set[str]] = {}
    for author in authors:
        words = tuple(word.folded for word in tokens(author))
        if not words:
            continue
        full.setdefault(words[0], []).append((words, author))
        if len(words) > 1 and not NOT_A_PERSON & {words[0], words[-1]}:
            for part in (words[0], words[-1]):
                parts.setdefault(part, set()).add(author)
    for names in full.values():
        names.sort(key=lambda name: -len(name[0]))
    unique = {part: next(iter(bearers)) for part, bearers in parts.items() if len(bearers) == 1}
    return _Directory(full, {part: author for part, author in unique.items() if len(part) >= LEAST_LETTERS})


def find_authors(text: str, words: Sequence[Token], authors: tuple[str, ...]) -> list[Named]:
    """The authors that `text` asks to hear from, in the order in which they are named.

    Args:
        words: The words of `text`.
        authors: The names of all authors.
    """
    directory = _directory(authors)
    if not any(word.folded in directory.full or word.folded in directory.parts for word in words):
        return []
    named, place = [], 0
    while place < len(words):
        found = _full_name(words, place, directory) or _part_of_name(words, place, directory)
        named += [found] if found else []
        place = found.last + 1 if found else place + 1
    if len(words) > 1 and words[0].folded == "who" and words[1].folded in THINKING:
        return []  # "Who disagrees with Paul's view?" asks for the others
    groups = _joined(named, words)
    speaking = [group for group in groups if _speaks(text, list(words), group)]
    if not speaking:
        return []
    return [name for group in groups if group in speaking or _compared(text, list(words), group) for name in group]


def _compared(text: str, words: list[Token], group: Sequence[Named]) -> bool:
    """`Paul's views with Maxime's`: the second owns what the first does."""
    last = group[-1].last
    after = [word.folded for word in words[last + 1 : last + 3]][-1:]
    return is_possessive(text, words, last) and (after in ([], ["s"]) or after[0] in {"on", "about", "for"})


def _joined(named: Sequence[Named], words: Sequence[Token]) -> list[list[Named]]:
    """`Paul and Maxime` and `Paul's and Maxime's` are asked together."""
    groups: list[list[Named]] = []
    for name in named:
        between = [word.folded for word in words[groups[-1][-1].last + 1 : name.first]] if groups else ["nobody"]
        if between[between[:1] == ["s"] :] in JOINING:
            groups[-1].append(name)
        else:
            groups.append([name])
    return groups


def _full_name(words: Sequence[Token], place: int, directory: _Directory) -> Named | None:
    for name, author in directory.full.get(words[place].folded, ()):
        last = place + len(name) - 1
        if tuple(word.folded for word in words[place : last + 1]) == name:
            return Named(author, place, last)
    return None


def _part_of_name(words: Sequence[Token], place: int, directory: _Directory) -> Named | None:
    """A first or last name that stands alone; with a capital letter where it is also a word."""
    word = words[place]
    author = directory.parts.get(word.folded)
    if author is None or (word.folded in ORDINARY and not word.capital):
        return None
    before = words[place - 1] if place else None
    after = words[place + 1] if place + 1 < len(words) else None
    if after is not None and after.capital and after.start == word.end + 1:
        return None
    if before is not None and before.capital and place > 1 and before.end == word.start - 1:
        return None
    return Named(author, place, place)


def _speaks(text: str, words: list[Token], group: Sequence[Named]) -> bool:
    """Whether the question makes those it names the ones who write or think."""
    first, last = group[0].first, group[-1].last
    before = [word.folded for word in words[max(0, first - 3) : first]]
    after = [word.folded for word in words[last + 1 : last + 5]]
    if is_possessive(text, words, last):
        owned = [word for word in after[after[:1] == ["s"] :] if word not in TRAILING]
        return bool(owned) and owned[0] in OPINIONS
    if before[-2:] == ["according", "to"] or (before[-1:] == ["by"] and _written_by(words[:first])):
        return True
    after = [word for word in after if word not in ADVERBS]
    asked = not before or before[-1] in ASKING
    if after and asked and after[0] in THINKING:
        return True
    if after and after[0] in AUXILIARIES and any(word in THINKING for word in after[1:3]):
        return True
    in_full = any(name.last > name.first for name in group)
    return _addressed(text, words, first, last) or (in_full and first == 0 and after[:1] in (["on"], ["about"]))


def _written_by(before: Sequence[Token]) -> bool:
    """`articles by Paul`, `what was written by Paul`."""
    earlier = [word.folded for word in before[:-1]]
    if not earlier or NEGATIONS & set(earlier[-3:]):
        return False
    if earlier[-1] not in PUBLISHED and (earlier[-1] in MADE or earlier[-1].endswith("ed")):
        return False  # "the company founded by Paul"
    return bool(NOUNS & set(earlier)) or earlier[-1] in PUBLISHED


def _addressed(text: str, words: Sequence[Token], first: int, last: int) -> bool:
    """`Paul, what do you think?`, `What would you do, Paul?`"""
    opens = first == 0 or (first == 1 and words[0].folded in GREETINGS)
    if opens and text[words[last].end : words[last].end + 1] in (",", ":"):
        return True
    closes = last == len(words) - 1 and text[: words[first].start].rstrip().endswith(",")
    return closes and any(word.folded in {"you", "your"} for word in words[:first])
