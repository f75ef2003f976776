from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.evaluation.gate import MIN_AUTHOR_TOKENS, gate
from twin.evaluation.model import AuthorScores, ModelScores, Perplexity


def scores(base: float, tuned: float, *, tokens: int = 1000, **authors: Perplexity) -> ModelScores:
    return ModelScores(
        perplexity=Perplexity(base=base, tuned=tuned, samples=3, tokens=tokens),
        authors={name: AuthorScores(perplexity=own) for name, own in authors.items()},
        chrf_base=0,
        chrf_tuned=0,
        examples=[],
        seconds=0,
    )


def author(base: float, tuned: float, tokens: int = MIN_AUTHOR_TOKENS) -> Perplexity:
    return Perplexity(base=base, tuned=tuned, samples=3, tokens=tokens)


@given(base=st.floats(1, 1e6), gain=st.floats(-1, 0.99), margin=st.floats(0, 0.5))
def test_a_model_passes_exactly_when_its_gain_reaches_the_margin(base: float, gain: float, margin: float) -> None:
    judged = scores(base, base * (1 - gain))
    assert gate(judged, margin).passed == (judged.perplexity.gain >= margin)


def test_a_model_that_is_better_overall_but_worse_for_one_author_is_stopped() -> None:
    decision = gate(scores(20, 10, ada=author(20, 8), bob=author(20, 21)), margin=0.02)
    assert not decision.passed
    assert decision.reasons == [
        "On the held-out text of bob the tuned model's perplexity is 21.00 against the base's 20.00: "
        "lower by -5.0%, and 2.0% is asked for."
    ]


def test_an_author_with_little_held_out_text_is_not_judged_alone() -> None:
    assert gate(scores(20, 10, bob=author(20, 30, tokens=MIN_AUTHOR_TOKENS - 1)), margin=0.02).passed


@pytest.mark.parametrize("tuned", [math.nan, math.inf])
def test_a_broken_model_is_stopped(tuned: float) -> None:
    assert not gate(scores(20, tuned), margin=0).passed


def test_without_text_to_judge_by_nothing_passes() -> None:
    decision = gate(scores(math.nan, math.nan, tokens=0), margin=0)
    assert not decision.passed
    assert "no text to judge by" in decision.reasons[0]
