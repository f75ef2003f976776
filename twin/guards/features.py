"""What the classifiers see of a text: its n-grams of characters and words, hashed, as counts of unit length.

The same code makes the features that the weights are fitted on (`benchmarks/guard_training.py`), so a change here needs
the weights fitted anew; `VERSION` stands in them.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from itertools import pairwise
from zlib import crc32

import numpy as np

__all__ = ["BUCKETS", "MAX_CHARS", "VERSION", "features"]

VERSION = 1
BUCKETS = 1 << 15
"""For characters; as many again for words."""
MAX_CHARS = 2_000
"""More of a text is cut into windows by whoever asks."""

_WORD = re.compile(r"\w+|[^\w\s]")
_SIZES = (2, 3, 4, 5)


def features(text: str) -> tuple[np.ndarray, np.ndarray]:
    """The buckets that a text has anything in, and how much; characters and words each of unit length."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text[:MAX_CHARS]).lower())
    characters = _counted(_character_grams(words), 0)
    phrases = _counted(_word_grams(words), BUCKETS)
    return np.concatenate([characters[0], phrases[0]]), np.concatenate([characters[1], phrases[1]])


def _character_grams(words: list[str]) -> list[str]:
    padded = [f" {word} " for word in words]
    return [word[start : start + size] for word in padded for size in _SIZES for start in range(len(word) - size + 1)]


def _word_grams(words: list[str]) -> list[str]:
    """Words, their pairs, pairs with one word between, and triples."""
    pairs = [f"{one} {two}" for one, two in pairwise(words)]
    apart = [f"{one} _ {two}" for one, two in zip(words, words[2:], strict=False)]
    triples = [f"{pair} {three}" for pair, three in zip(pairs, words[2:], strict=False)]
    return [*words, *pairs, *apart, *triples]


def _counted(grams: list[str], offset: int) -> tuple[np.ndarray, np.ndarray]:
    counts = Counter(crc32(gram.encode("utf-8", "surrogatepass")) % BUCKETS for gram in grams)
    amounts = 1 + np.log(np.fromiter(counts.values(), np.float32, len(counts)))
    return np.fromiter(counts, np.int64, len(counts)) + offset, amounts / max(float(np.linalg.norm(amounts)), 1e-9)
