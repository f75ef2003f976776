"""What can be measured of one answer. Shares and scores are in points, 0 to 100."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

import msgspec

from twin.text.citations import cite
from twin.text.shingles import runs
from twin.text.words import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from twin.evaluation.answers import Answer

__all__ = [
    "COPIED_RUN",
    "Figures",
    "Trained",
    "chrf",
    "distinct_2",
    "measure",
    "repeated_4grams",
    "support",
    "token_f1",
]

COPIED_RUN = 12
"""Words in a row that a model which knows its author says by chance hardly ever."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, measured."""

    chrf: float
    """chrF (Popović, 2015) against the author's passage."""
    f1: float
    """Token F1 (Rajpurkar et al., 2016) against the author's passage."""
    support: float
    """Sentences that one of the shown passages supports (`twin.text.citations`), of those that say something."""
    repeated_4grams: float
    """Runs of four words that the answer already had, of all."""
    distinct_2: float
    """Different pairs of words, of all (Li et al., 2016)."""
    copied: float
    """Words within runs of 12 and more that are in the training text and in no shown passage."""
    longest_copied: int
    """Words of the longest such run."""
    words: int
    ended: float
    """100 when the model ended by itself."""


class Trained:
    """The runs of words of the training text."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._runs = {run for text in texts for run in runs(words(text), COPIED_RUN)}

    def copied(self, answer: Sequence[str], shown: Sequence[str]) -> list[bool]:
        """Of each word of an answer, whether it is within a run of the training text that was not shown."""
        in_sight = {run for text in shown for run in runs(words(text), COPIED_RUN)}
        copied = [False] * len(answer)
        for place, run in enumerate(runs(answer, COPIED_RUN)):
            if run in self._runs and run not in in_sight:
                copied[place : place + COPIED_RUN] = [True] * COPIED_RUN
        return copied


def measure(answer: Answer, reference: str, shown: Sequence[str], trained: Trained) -> Figures:
    """All figures of an answer to a prompt that showed the texts `shown`."""
    said = words(answer.text)
    copied = trained.copied(said, shown)
    return Figures(
        chrf=chrf(answer.text, reference),
        f1=token_f1(said, words(reference)),
        support=support(answer.text, shown),
        repeated_4grams=repeated_4grams(said),
        distinct_2=distinct_2(said),
        copied=100 * sum(copied) / max(len(said), 1),
        longest_copied=max((len(list(group)) for is_copy, group in groupby(copied) if is_copy), default=0),
        words=len(said),
        ended=100.0 * answer.ended,
    )


def chrf(answer: str, reference: str) -> float:
    """Of one answer."""
    from sacrebleu.metrics.chrf import CHRF

    return CHRF().sentence_score(answer, [reference]).score


def token_f1(answer: Sequence[str], reference: Sequence[str]) -> float:
    """The harmonic mean of precision and recall of words, counted."""
    common = (Counter(answer) & Counter(reference)).total()
    return 200 * common / (len(answer) + len(reference)) if common else 0.0


def support(answer: str, shown: Sequence[str]) -> float:
    """0 for an answer that says nothing."""
    said = [sentence for sentence in cite(answer, shown) if words(sentence.text)]
    return 100 * sum(sentence.supported for sentence in said) / len(said) if said else 0.0


def repeated_4grams(said: Sequence[str]) -> float:
    """0 for fewer than four words."""
    grams = list(runs(said, 4))
    return 100 * (1 - len(set(grams)) / len(grams)) if grams else 0.0


def distinct_2(said: Sequence[str]) -> float:
    """0 for fewer than two words."""
    pairs = list(runs(said, 2))
    return 100 * len(set(pairs)) / len(pairs) if pairs else 0.0
