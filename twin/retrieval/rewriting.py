"""Optional help by a language model before the search: other wordings of a question, and what it asks for besides.

Off by default: the rules of `understanding` cost 0.1 ms and a model's answer seconds. It has a time limit, and whatever
goes wrong, the plain question is searched and the answer's interpretation says why.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from twin.decoding import NOT_JSON
from twin.errors import TwinError
from twin.records import slug

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twin.serving.wire import StreamingModel

__all__ = ["PLAIN", "Rewriter", "Rewriting", "Wish"]

QUERY_TOKENS = 40
"""Tokens that each other wording may take."""
WISH_TOKENS = 80
QUERY_CHARS = 300
"""A longer line is no search query."""
_LIST_MARK = re.compile(r"^\s*(?:[-*•]|\d+[.)])?\s*[\"“]?|[\"”]?\s*$")
_OBJECT = re.compile(r"\{[^{}]*\}", re.DOTALL)


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a model read from a question besides its subject."""

    author: str | None = None
    published_from: datetime | None = None
    published_until: datetime | None = None

    def __bool__(self) -> bool:
        return bool(self.author or self.published_from or self.published_until)


class Rewriting(msgspec.Struct, frozen=True, kw_only=True):
    """What a model made of a question."""

    queries: tuple[str, ...] = ()
    """Other wordings, to be searched beside the question."""
    wish: Wish = Wish()
    notes: tuple[str, ...] = ()
    """What did not work, for people."""


PLAIN = Rewriting()


class Rewriter:
    """Asks the deployed model for other wordings, for what a question asks for, or both at once, within a time limit.

    `model` gives the model's client and raises ModelUnavailable when there is none.
    """

    def __init__(
        self, model: Callable[[], StreamingModel], *, queries: int = 0, self_query: bool = False, seconds: float = 2.0
    ) -> None:
        self._model = model
        self._queries = queries
        self._self_query = self_query
        self._seconds = seconds

    async def rewrite(self, question: str, authors: Sequence[str]) -> Rewriting:
        """The rewritten question. Never raises for a model that fails, is too slow or talks nonsense.

        Args:
            question: As asked.
            authors: The names that a wish may name.
        """
        if not self._queries and not self._self_query:
            return PLAIN
        wordings, wish = await asyncio.gather(
            self._asked(_wordings_prompt(question, self._queries), self._queries * QUERY_TOKENS),
            self._asked(_wish_prompt(question, authors), WISH_TOKENS if self._self_query else 0),
        )
        problems = dict.fromkeys(answer for answer in (wordings, wish) if isinstance(answer, _Problem))
        return Rewriting(
            queries=_wordings(wordings, question, self._queries) if isinstance(wordings, str) else (),
            wish=_wish(wish, authors) if isinstance(wish, str) else Wish(),
            notes=tuple(f"The question was searched as it is: {problem.text}" for problem in problems),
        )

    async def _asked(self, prompt: str, max_tokens: int) -> str | _Problem:
        """The model's answer, empty when nothing is asked, or why there is none."""
        if max_tokens == 0:
            return ""
        try:
            async with asyncio.timeout(self._seconds):
                return await _text(self._model(), prompt, max_tokens)
        except TimeoutError:
            return _Problem(f"the model took longer than {self._seconds:g} s to rewrite it.")
        except TwinError as error:
            return _Problem(error.message)


class _Problem(msgspec.Struct, frozen=True):
    text: str


async def _text(model: StreamingModel, prompt: str, max_tokens: int) -> str:
    pieces = []
    stream = model.stream([{"role": "user", "content": prompt}], max_tokens=max_tokens, temperature=0.0)
    async with contextlib.aclosing(stream) as deltas:
        async for delta in deltas:
            pieces.append(delta.text)
    return "".join(pieces)


def _wordings_prompt(question: str, count: int) -> str:
    return (
        f"Rewrite this search query in {count} different ways that use other words with the same meaning. "
        f"Write one query per line and nothing else.\n\nQuery: {question}"
    )


def _wish_prompt(question: str, authors: Sequence[str]) -> str:
    return (
        "Which author and which publication dates does this question ask for? Answer with one JSON object with keys "
        '"author", "published_from" and "published_until" (dates as YYYY-MM-DD), null where the question does not say. '
        f"Authors: {', '.join(authors)}.\n\nQuestion: {question}"
    )


def _wordings(answer: str, question: str, count: int) -> tuple[str, ...]:
    """The lines that are queries, without repetitions of the question."""
    lines = (_LIST_MARK.sub("", line) for line in answer.splitlines())
    kept = dict.fromkeys(line for line in lines if 0 < len(line) <= QUERY_CHARS)
    return tuple(line for line in kept if line.casefold() != question.casefold())[:count]


def _wish(answer: str, authors: Sequence[str]) -> Wish:
    """What the answer's JSON object says, as far as it makes sense."""
    found = _OBJECT.search(answer)
    if found is None:
        return Wish()
    try:
        said: dict[str, Any] = msgspec.json.decode(found.group(), type=dict[str, Any])
    except NOT_JSON:
        return Wish()
    name = said.get("author")
    author = next((known for known in authors if isinstance(name, str) and slug(known) == slug(name)), None)
    since, until = _date(said.get("published_from")), _date(said.get("published_until"), end=True)
    if since and until and since > until:
        since = until = None
    return Wish(author=author, published_from=since, published_until=until)


def _date(value: object, *, end: bool = False) -> datetime | None:
    if not isinstance(value, str):
        return None
    with contextlib.suppress(ValueError):
        day = datetime.fromisoformat(value).replace(tzinfo=UTC)
        return day.replace(hour=23, minute=59, second=59, microsecond=999_999) if end else day
    return None
