"""A language model's help before the search: used where it makes sense, told where it fails, not waited for long."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from twin.errors import ModelUnavailable
from twin.retrieval.rewriting import PLAIN, Rewriter, Rewriting
from twin.serving.client import Delta

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

AUTHORS = ["Ada Lovelace", "Bob"]


@dataclass
class Model:
    """Answers by what is in the prompt; hangs when told to."""

    model: str | None = None
    wordings: str = ""
    wish: str = ""
    hangs: bool = False
    error: Exception | None = None
    prompts: list[str] = field(default_factory=list)
    closed: int = 0

    async def stream(
        self, messages: Sequence[dict[str, str]], *, max_tokens: int, temperature: float = 0.0
    ) -> AsyncGenerator[Delta]:
        prompt = messages[-1]["content"]
        self.prompts.append(prompt)
        try:
            if self.error:
                raise self.error
            if self.hangs:
                await asyncio.Event().wait()
            for piece in (self.wish if "JSON" in prompt else self.wordings).splitlines(keepends=True):
                yield Delta(text=piece)
        finally:
            self.closed += 1


def rewrite(
    model: Model, question: str = "How are texts cut?", *, queries: int = 2, self_query: bool = True
) -> Rewriting:
    rewriter = Rewriter(lambda: model, queries=queries, self_query=self_query, seconds=0.05)
    return asyncio.run(rewriter.rewrite(question, AUTHORS))


def test_nothing_is_asked_unless_it_is_set() -> None:
    model = Model()
    assert rewrite(model, queries=0, self_query=False) == PLAIN
    assert model.prompts == []


def test_other_wordings_come_without_marks_repetitions_and_surplus() -> None:
    model = Model(wordings='1. splitting documents\n- "how are texts cut?"\n\n* splitting documents\nchunks\nmore\n')
    assert rewrite(model, self_query=False).queries == ("splitting documents", "chunks")


def test_a_wish_names_a_known_author_and_days() -> None:
    wish = rewrite(
        Model(wish='Sure: {"author": "ada lovelace", "published_from": "2024-01-01", "published_until": "2024-06-30"}'),
        queries=0,
    ).wish
    assert wish.author == "Ada Lovelace"
    assert [str(moment) for moment in (wish.published_from, wish.published_until)] == [
        "2024-01-01 00:00:00+00:00",
        "2024-06-30 23:59:59.999999+00:00",
    ]


@pytest.mark.parametrize(
    "said",
    [
        "I do not know.",
        "{not json}",
        '{"author": "Eve", "published_from": "soon", "published_until": 7}',
        '{"author": ["Bob"], "published_from": "2024-05-01", "published_until": "2023-05-01"}',
        "[]",
        '{"author": null}',
    ],
)
def test_nonsense_is_no_wish(said: str) -> None:
    rewriting = rewrite(Model(wish=said), queries=0)
    assert not rewriting.wish
    assert rewriting.notes == ()


def test_a_model_that_takes_too_long_is_left_and_that_is_told_once() -> None:
    model = Model(hangs=True)
    rewriting = rewrite(model)
    assert (rewriting.queries, bool(rewriting.wish)) == ((), False)
    assert rewriting.notes == ("The question was searched as it is: the model took longer than 0.05 s to rewrite it.",)
    assert model.closed == 2


def test_without_a_model_the_plain_question_is_searched_and_that_is_told() -> None:
    def none() -> Model:
        raise ModelUnavailable("No model is deployed.")

    rewriting = asyncio.run(Rewriter(none, queries=1).rewrite("q", AUTHORS))
    assert rewriting.queries == ()
    assert rewriting.notes == ("The question was searched as it is: No model is deployed.",)
    failed = rewrite(Model(error=ModelUnavailable("It is gone.")))
    assert failed.notes == ("The question was searched as it is: It is gone.",)
