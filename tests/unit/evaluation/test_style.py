from __future__ import annotations

import random

import numpy as np
import pytest

from twin.evaluation.style import MIN_WORDS, profile

PLAIN = "i think that we ought to look at it again because it is not what we said it would be so let us see"
ORNATE = "whereupon the estimable gentleman hath spoken whilst thy humble servant doth hearken unto the decree"


def text(vocabulary: str, count: int, seed: int) -> str:
    return " ".join(random.Random(seed).choices(vocabulary.split(), k=count)) + "."


@pytest.fixture(scope="module")
def plain_author():
    author = profile([text(PLAIN, 2000, seed=1)])
    assert author is not None
    return author


def test_an_authors_other_text_is_closer_than_a_strangers(plain_author) -> None:
    own = plain_author.measure([text(PLAIN, 250, seed=2)])
    stranger = plain_author.measure([text(ORNATE, 250, seed=3)])
    assert own.delta < stranger.delta
    assert own.cosine > stranger.cosine
    assert 0 <= stranger.similarity < own.similarity <= 1


def test_an_authors_own_segments_lie_about_one_mean_deviation_away(plain_author) -> None:
    deltas = [plain_author.measure([text(PLAIN, 250, seed=seed)]).delta for seed in range(10, 30)]
    assert 0.5 < sum(deltas) / len(deltas) < 1.3


def test_the_same_text_measures_the_same_and_case_and_spacing_do_not_count(plain_author) -> None:
    sample = text(PLAIN, 200, seed=4)
    assert plain_author.measure([sample]) == plain_author.measure([sample.upper().replace(" ", "\n  ")])


def test_too_little_text_has_no_style(plain_author) -> None:
    assert plain_author.measure([text(PLAIN, MIN_WORDS - 1, seed=5)]) is None
    assert plain_author.measure([]) is None
    assert profile([text(PLAIN, 999, seed=6)]) is None


def test_texts_without_words_have_no_profile() -> None:
    assert profile(["12 34 !!", ""]) is None


def test_draws_of_texts_are_measured_as_the_texts_themselves(plain_author) -> None:
    texts = [text(PLAIN, 60, seed=5), text(ORNATE, 60, seed=6), text(PLAIN, 90, seed=7)]
    drawn = plain_author.similarities(texts, np.array([[1, 1, 1], [2, 0, 1], [1, 0, 0]]))
    assert drawn[0] == pytest.approx(plain_author.measure(texts).similarity, abs=0.01)
    assert drawn[1] == pytest.approx(plain_author.measure([texts[0], texts[0], texts[2]]).similarity, abs=0.01)
    assert np.isnan(drawn[2])
