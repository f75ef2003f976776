"""Pairs of answers, which of them is called A, and what a tally of choices says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.registry.blind import LEAST_PAIRS, MOST_PAIRS, Tally, comparable, drawn, is_possible, tally, wilson

if TYPE_CHECKING:
    from twin.registry.blind import Choice

SEEDS = st.text(min_size=1)


def manifest(count: int) -> dict[str, Any]:
    return {"examples": [{"instruction": f"q{i}", "base": f"base {i}", "tuned": f"tuned {i}"} for i in range(count)]}


@given(SEEDS, st.integers(LEAST_PAIRS, 30))
def test_a_reviewers_pairs_are_drawn_once_and_hold_each_answer_on_its_side(seed: str, count: int) -> None:
    pairs = drawn(manifest(count), seed)
    assert pairs == drawn(manifest(count), seed)
    assert [pair.number for pair in pairs] == list(range(1, min(count, MOST_PAIRS) + 1))
    assert len({pair.instruction for pair in pairs}) == len(pairs)
    for pair in pairs:
        tuned, base = (pair.a, pair.b) if pair.tuned == "a" else (pair.b, pair.a)
        assert (tuned, base) == (f"tuned {pair.instruction[1:]}", f"base {pair.instruction[1:]}")


def test_sides_and_order_are_random_over_reviewers() -> None:
    ballots = [drawn(manifest(MOST_PAIRS), f"seed {number}") for number in range(400)]
    of_first_question = [pair.tuned for pairs in ballots for pair in pairs if pair.instruction == "q0"]
    assert 150 < of_first_question.count("a") < 250
    first = [pairs[0].instruction for pairs in ballots]
    assert min(first.count(f"q{number}") for number in range(MOST_PAIRS)) > 10


def test_equal_empty_and_foreign_examples_are_no_pairs() -> None:
    odd = [{"base": "same", "tuned": " same\n"}, {"base": "", "tuned": "x"}, {"base": 3, "tuned": "x"}, "x", None]
    whole = manifest(LEAST_PAIRS)["examples"]
    assert comparable({"examples": odd}) == []
    assert is_possible({"examples": [*odd, *whole]})
    assert not is_possible({"examples": [*odd, *whole[1:]]})
    assert not is_possible({"examples": "many"})


@given(SEEDS, st.lists(st.sampled_from(["a", "b", "tie"]), min_size=LEAST_PAIRS, max_size=LEAST_PAIRS))
def test_a_tally_counts_each_choice_for_who_wrote_the_answer(seed: str, made: list[Choice]) -> None:
    pairs = drawn(manifest(LEAST_PAIRS), seed)
    counted = tally(pairs, dict(enumerate(made, start=1)))
    answers = [{"a": pair.a, "b": pair.b, "tie": "tie"}[choice] for pair, choice in zip(pairs, made, strict=True)]
    assert (counted.pairs, counted.ties) == (LEAST_PAIRS, made.count("tie"))
    assert counted.tuned == sum(answer.startswith("tuned") for answer in answers)
    assert counted.base == sum(answer.startswith("base") for answer in answers)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(8, 8, 0.6756, 1.0), (0, 8, 0.0, 0.3244), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662)],
)
def test_the_interval_is_wilsons(successes: int, trials: int, low: float, high: float) -> None:
    """The last row is the example of Newcombe (1998), table I."""
    assert wilson(successes, trials) == pytest.approx((low, high), abs=1e-4)


def test_ties_alone_tell_nothing() -> None:
    counted = Tally(pairs=8, tuned=0, base=0, ties=8)
    assert (counted.share, counted.interval) == (None, None)
