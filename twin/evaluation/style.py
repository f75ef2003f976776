"""How alike two bodies of text are in style, whatever they are about.

Two classic measures of authorship studies, neither of which needs a model or a word list:

- Burrows's Delta (J. Burrows, "'Delta': a measure of stylistic difference and a guide to likely authorship", 2002): the
  mean absolute z-score of the frequencies of an author's most frequent words. These are function words, which writers
  use by habit. Mean and deviation come from segments of the author's own text, so another text of the author scores
  about 0.8 (the mean of |z| of a normal variable), and a stranger's more.
- The cosine of character 3-gram frequencies (E. Stamatatos, "On the robustness of authorship attribution based on
  character n-gram features", 2013), which also sees punctuation, endings and layout.

`similarity` is the mean of the cosine and 1 / (1 + Delta), from 0 to 1. Short texts are noisy: compare only texts of
like length, and read the author's own held-out text (`reference` in the scores) as the ceiling.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from twin.text.words import spellings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["MIN_WORDS", "Style", "StyleProfile", "profile"]

FREQUENT_WORDS = 100
SEGMENT_WORDS = 250
MIN_SEGMENTS = 4
"""Below this the deviations of an author's word frequencies mean nothing."""
MIN_WORDS = 80
"""A shorter text has no measurable style."""

_SPACE = re.compile(r"\s+")


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """A text's style against an author's."""

    delta: float
    """Burrows's Delta; lower is closer."""
    cosine: float
    """Of character 3-gram frequencies, 0 to 1."""
    words: int
    """Of the text that was measured."""

    @property
    def similarity(self) -> float:
        """0 to 1, higher is closer."""
        return (self.cosine + 1 / (1 + self.delta)) / 2


class StyleProfile(msgspec.Struct, frozen=True, kw_only=True):
    """An author's habits: of frequent words by mean and deviation, of character 3-grams by frequency."""

    words: tuple[str, ...]
    mean: np.ndarray
    """Relative frequencies, one per word."""
    deviation: np.ndarray
    """Of the relative frequencies between segments; none is zero."""
    trigrams: Counter[str]

    def measure(self, texts: Iterable[str]) -> Style | None:
        """The style of the texts taken together, or None when they are too short to have one."""
        text = "\n".join(texts)
        words = spellings(text)
        if len(words) < MIN_WORDS:
            return None
        z_scores = (_frequencies(words, self.words) - self.mean) / self.deviation
        return Style(
            delta=float(np.abs(z_scores).mean()),
            cosine=_cosine(_trigrams(text), self.trigrams),
            words=len(words),
        )

    def similarities(self, texts: Sequence[str], drawn: np.ndarray) -> np.ndarray:
        """The similarity of each of several draws from the texts, taken together; NaN where a draw is too short.

        `drawn` counts how often each text is in each draw, shape (draws, texts).
        """
        words = [spellings(text) for text in texts]
        length = drawn @ np.array([len(found) for found in words], dtype=np.float64)
        counts = np.stack([_frequencies(found, self.words) * len(found) for found in words])
        trigrams = [_trigrams(text) for text in texts]
        grams = {gram: place for place, gram in enumerate(sorted(set().union(*trigrams)))}
        table = np.zeros((len(texts), len(grams)), dtype=np.float64)
        for row, found in zip(table, trigrams, strict=True):
            row[[grams[gram] for gram in found]] = list(found.values())
        own = np.array([self.trigrams[gram] for gram in grams], dtype=np.float64)
        norm = np.sqrt(sum(count * count for count in self.trigrams.values()))
        with np.errstate(divide="ignore", invalid="ignore"):
            delta = np.abs(((drawn @ counts) / length[:, None] - self.mean) / self.deviation).mean(axis=1)
            cosine = (drawn @ (table @ own)) / (np.linalg.norm(drawn @ table, axis=1) * norm)
        return np.where(length < MIN_WORDS, np.nan, (cosine + 1 / (1 + delta)) / 2)


def profile(texts: Iterable[str]) -> StyleProfile | None:
    """The profile of an author's texts, or None when there are fewer than 1,000 words."""
    text = "\n".join(texts)
    words = spellings(text)
    segments = [words[i : i + SEGMENT_WORDS] for i in range(0, len(words) - SEGMENT_WORDS + 1, SEGMENT_WORDS)]
    if len(segments) < MIN_SEGMENTS:
        return None
    by_count = sorted(Counter(words).items(), key=lambda item: (-item[1], item[0]))
    frequent = tuple(word for word, _ in by_count[:FREQUENT_WORDS])
    table = np.stack([_frequencies(segment, frequent) for segment in segments])
    deviation = table.std(axis=0, ddof=1)
    varied = deviation > 0
    return StyleProfile(
        words=tuple(word for word, keep in zip(frequent, varied, strict=True) if keep),
        mean=table.mean(axis=0)[varied],
        deviation=deviation[varied],
        trigrams=_trigrams(text),
    )


def _frequencies(words: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    counts = Counter(words)
    return np.array([counts[word] for word in wanted], dtype=np.float64) / max(len(words), 1)


def _trigrams(text: str) -> Counter[str]:
    flat = _SPACE.sub(" ", text.lower()).strip()
    return Counter(flat[i : i + 3] for i in range(len(flat) - 2))


def _cosine(one: Counter[str], other: Counter[str]) -> float:
    dot = sum(count * other[gram] for gram, count in one.items())
    norms = np.sqrt(sum(c * c for c in one.values())) * np.sqrt(sum(c * c for c in other.values()))
    return float(dot / norms) if norms else 0.0
