"""Headings as topics of requests: what can be asked about one depends on the kind of phrase that it is."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from twin.text.words import topic_neutral, words

if TYPE_CHECKING:
    from twin.records import Chunk

__all__ = ["Kind", "Topic", "label", "plain_heading", "title_of", "title_within", "topic_of"]

Kind = Literal["thing", "doing", "task", "clause", "case", "statement", "question"]
"""`thing`: the index. `doing`: moving a home. `task`: create a key. `clause`: how fast it is. `case`: when nothing is
found. `statement`: everything is kept. `question`: Is it up?"""

MAX_WORDS = 14

_GENERIC = re.compile(
    r"(?:the |introduction|questions?|answers?|problem|solution|context|motivation|goals?|idea|results?|setup|code|"
    r"conclusions?|summary|overview|background|discussion.*|notes?|references|appendix|next steps"
    r"|sections?|part|chapter|see also|further reading|resources|links|examples?|usage|about|contents|readme"
    r"|table of contents|faq|todo|tl;?dr|bonus|updates?|credits|acknowledge?ments|\W|\d|[ivx]+\b)+",
    re.IGNORECASE,
)
_DECORATION = re.compile(r"[^\w\s.,:;'’&/+()?!@#%=-]|(?<!\w)_+|_+(?!\w)")
_NUMBER = re.compile(r"^\W*(?:(?:\d+(?:\.\d+)*|[IVX]+|[A-H])[.):]\W*|\d+\s+(?=[A-Z]))", re.ASCII)
_LABEL = re.compile(r"^\w+(?: \d+)?: +(?=\S+ \S)")
_BRACKETS = re.compile(r"\s*\([^()]*\)")
_SITE = re.compile(r"\s+(?:\||[-–—])\s+|\s*\|\s*")
_SENTENCE = re.compile(r"(?<=[^\W\d][^\W\d][.!])\s+(?=[A-Z])")
_WORD_END = re.compile(r"[\s,;:&-]+$")

_ASKS = frozenset(
    {"is", "are", "was", "were", "does", "do", "did", "can", "could", "will", "would", "should", "has", "have"}
)
_FINITE_WORDS = """
is are was were has have does do can cannot must may might should will fails fail dies die goes go ends end
stops stop stands stand comes come stays stay follows follow breaks costs changes happens matters
"""
_FINITE = frozenset(_FINITE_WORDS.split())
_CLAUSES = frozenset({"how", "why", "what", "where", "which", "who", "whose", "whether"})
_RELATIVE = frozenset({"that", "you", "we", "i"})
"""What a verb after one of these says is about the words before it: `steps you have to take` is a thing."""
_CASES = frozenset({"when", "if", "while", "once"})
_PREPOSITIONS_WORDS = """
about above across after against along among around at before behind below beside besides between beyond by
down during for from in inside into like near of off on onto out over past since through to toward under until
up upon via with within without
"""
_PREPOSITIONS = frozenset(_PREPOSITIONS_WORDS.split())
_OPENERS_WORDS = """
it this that these those they we i you he she so then and or but not no never only also even nothing
everything there here let please just say
"""
_OPENERS = frozenset(_OPENERS_WORDS.split())
_NOT_GERUNDS_WORDS = """
thing things string strings king ring spring evening morning during nothing everything bring
"""
_NOT_GERUNDS = frozenset(_NOT_GERUNDS_WORDS.split())
_TASKS_WORDS = """
add adjust aggregate apply ask avoid bring build calculate call check choose collect compare compile compute
configure connect convert copy create debug define delete deploy describe design detect download edit enable
ensure evaluate explain explore export extract fetch filter find fine-tune fix follow format generate get
handle implement improve import ingest insert install introduce join keep know launch learn list load maintain
make manage measure merge monitor move name open optimize pack parse pick plot predict prepare prevent process
publish push put quantize query read reduce remove rename render replace run save scale schedule select send
serve set share show solve speed-up split start stop store stream style switch test train transform try tune
turn understand update upgrade upload use validate verify view visualize watch work wrap write
"""
_TASKS = frozenset(_TASKS_WORDS.split())
"""Verbs that a heading which says what to do begins with. Many are nouns too, so the next word decides."""
_NEVER_NOUNS_WORDS = """
add avoid bring choose compile configure connect convert create define delete deploy enable ensure evaluate
explain explore extract fine-tune generate implement install introduce learn make prevent quantize reduce
remove replace try understand upload validate verify write
"""
_NEVER_NOUNS = frozenset(_NEVER_NOUNS_WORDS.split())
_NEVER_LAST = frozenset(
    {"to", "and", "or", "the", "a", "an", "of", "your", "my", "our", "with", "between", "&", "into"}
)
"""What a heading ends with only when it was cut."""
_COUNTS = "another every many much several two three four five six seven eight nine ten half"


class Topic(NamedTuple):
    """A heading as it stands within a sentence."""

    kind: Kind
    text: str


def topic_of(chunk: Chunk) -> Topic | None:
    """What the nearest heading that says something is about, as a topic; None where none can stand in a request."""
    title = title_of(chunk)
    for heading in reversed(chunk.heading_path):
        plain = _LABEL.sub("", plain_heading(heading))
        if plain and not _GENERIC.fullmatch(plain) and (topic := _topic(plain, chunk.text)):
            return topic
    return _topic(_LABEL.sub("", title), chunk.text) if title else None


def title_of(chunk: Chunk) -> str:
    """The document's title without the name of its author or site; empty where it says nothing."""
    parts = _SITE.split(chunk.title)
    name = set(words(chunk.author))
    own = [part for part in parts if not name <= {word.removesuffix("'s") for word in words(part)}] or parts
    plain = plain_heading(max(own, key=len))
    return "" if _GENERIC.fullmatch(plain) else plain


def title_within(chunk: Chunk) -> str:
    """The title as it stands within a sentence; empty where it says nothing."""
    title = _LABEL.sub("", title_of(chunk))
    topic = _topic(title, chunk.text) if title else None
    if topic is None:
        return title
    if topic.kind == "question":
        return f'"{topic.text}"'
    return f"how to {topic.text}" if topic.kind == "task" else topic.text


def label(chunk: Chunk) -> str:
    """The nearest heading or title that says something, as a label: what a writer is told the topic is."""
    headings = [plain_heading(heading) for heading in (chunk.title, *chunk.heading_path)]
    return next((one for one in reversed(headings) if one and not _GENERIC.fullmatch(one)), "it")


def plain_heading(heading: str) -> str:
    """A heading without decoration, numbering and what is in brackets, at most 14 words of it."""
    bare = _NUMBER.sub("", " ".join(_DECORATION.sub(" ", heading.replace("\\", "")).split()))
    bare = _SENTENCE.split(bare, maxsplit=1)[0]
    bare = " ".join(_BRACKETS.sub("", bare).replace("#", "").split()[:MAX_WORDS])
    found = bare.split()
    if heading.rstrip().endswith("-") and len(found) > 1:
        found.pop()  # half of a word: whoever made the heading cut it
    while len(found) > 1 and found[-1].casefold().strip(",-") in _NEVER_LAST:
        found.pop()
    return _WORD_END.sub("", " ".join(found)).strip(" .!")


def _topic(heading: str, passage: str) -> Topic | None:
    """The kind of phrase that a heading is; None for one that no request can hold."""
    if "?" in heading:
        return Topic("question", heading.split("?", 1)[0].strip() + "?")
    found = [word.strip(".,:;'’").casefold() for word in heading.split()]
    if not found:
        return None
    first = found[0]
    if first in _ASKS or (first in _CLAUSES and _is_inverted(found)):
        return Topic("question", f"{heading}?")
    if first in _OPENERS or first in _PREPOSITIONS or (first.endswith("ed") and len(first) > 4):
        return None
    kind = _kind(found) if ":" not in heading else "thing"
    inner = _inner(heading, passage, is_phrase=kind in ("doing", "task", "clause", "case"))
    return Topic(kind, inner)


def _kind(found: list[str]) -> Kind:
    first, rest = found[0], found[1:]
    if first in _CLAUSES and rest:
        return "clause"
    if first in _CASES and rest:
        return "case"
    if rest and _is_gerund(rest[0] if first.endswith("ly") else first):
        return "doing"
    if first in _TASKS and rest and (first in _NEVER_NOUNS or rest[0] in topic_neutral() or rest[0] == "&"):
        return "task"
    if _FINITE & set(rest) and not (_CLAUSES | _RELATIVE) & set(found):
        return "statement"
    return "thing"


def _is_inverted(found: list[str]) -> bool:
    """Whether a clause has the order of a question: `how do we ...`, `what is the ...`, unlike `what is compared`."""
    second, third = (*found, "", "")[1:3]
    return second in _ASKS and (found[0] in {"how", "why", "where"} or third in {"the", "a", "an", "your", "my", "our"})


def _is_gerund(word: str) -> bool:
    return word.endswith("ing") and len(word) > 4 and word not in _NOT_GERUNDS


def _inner(heading: str, passage: str, *, is_phrase: bool) -> str:
    """The heading with a small first letter, where that is how its first word is written within a sentence."""
    first, _, rest = heading.partition(" ")
    small = first[:1].lower() + first[1:]
    is_name = rest[:1].isupper() and rest[1:2].islower()
    ordinary = is_phrase or first.casefold() in _function_words() or (_stands_in(small, passage) and not is_name)
    return f"{small} {rest}".strip() if ordinary and first[1:] == first[1:].lower() else heading


def _stands_in(word: str, passage: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", passage) is not None


@cache
def _function_words() -> frozenset[str]:
    return topic_neutral() | set(_COUNTS.split())
