"""Whether one document is a copy of another: the same text, or nearly the same.

Texts are compared as sets of shingles, which are runs of five words. Platforms keep words and change what is around
them, so addresses, markup, punctuation, letter case and blank space do not count, and a word ends where a capital
follows a small letter: some converters lose the blank between two paragraphs.

A signature estimates how much two sets share (MinHash; Broder, "On the resemblance and containment of documents",
1997). Documents whose signatures agree in a whole band become candidates (LSH; Leskovec, Rajaraman and Ullman, "Mining
of Massive Datasets", chapter 3), and only candidates are compared exactly.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from twin.records import content_hash
from twin.text.links import blank_addresses
from twin.text.scripts import HAN, KANA, THAI
from twin.text.shingles import runs

if TYPE_CHECKING:
    from collections.abc import Set

__all__ = ["ROWS", "copied_share", "estimate", "shingles", "signature", "text_hash"]

SHINGLE_WORDS = 5
MIN_WORDS = 50
"""A shorter text has no signature: a changed word or two are too large a share of it, so only exact copies count."""
BANDS = 20
ROWS = 4
"""Numbers a band. Of two documents that share 80% of their shingles, 3 in 100,000 pairs agree in none of 20 bands;
of two that share 60%, 6 in 100; of two that share 10%, 998 in 1,000 do."""
SEED = 1
NUMBER_BYTES = 4

MIN_SHARED = 0.8
"""Of the shingles of both (Jaccard), in a copy: an introduction or a footer of a fifth of the text may be added."""
MIN_CONTAINED = 0.95
MIN_SHARED_CONTAINED = 0.6
"""A later document that adds nothing is a copy as well, as the preview of an article is, from this share on."""

JOINED = re.compile(r"[A-Z](?<=[a-z0-9][A-Z])")
"""A capital right after a small letter or a digit: some converters lose the blank between two paragraphs."""
WORD = re.compile(r"\w+")
UNSPACED = re.compile(f"[{THAI}{KANA}{HAN}]")
"""Thai, Japanese and Chinese are written without blanks: each of their characters counts as a word."""


def text_hash(content: str) -> str:
    """The same for two contents that differ in blank space and letter case alone; empty for one without text."""
    words = " ".join(content.casefold().split())
    return content_hash(words) if words else ""


def shingles(content: str) -> frozenset[str]:
    """All runs of five words of a text; none for one that is too short to be anything but an exact copy."""
    words = _words(content)
    if len(words) < MIN_WORDS:
        return frozenset()
    return frozenset(map(" ".join, runs(words, SHINGLE_WORDS)))


def _words(content: str) -> list[str]:
    text = JOINED.sub(r" \g<0>", blank_addresses(content)).casefold().replace("_", " ")
    if not text.isascii() and UNSPACED.search(text):
        text = UNSPACED.sub(r" \g<0> ", text)
    return WORD.findall(text)


def signature(content: str) -> bytes:
    """`BANDS * ROWS` little-endian 32-bit numbers; empty for a text without shingles.

    The same on every machine and in every process; a test holds one, since another release of rensa may compute others,
    and then `cleaning.VERSION` must be raised.
    """
    runs = shingles(content)
    if not runs:
        return b""
    from rensa import RMinHash  # ty: ignore[missing-module-member]

    sketch = RMinHash(num_perm=BANDS * ROWS, seed=SEED)
    sketch.update(list(runs))
    return struct.pack(f"<{BANDS * ROWS}I", *sketch.digest())


def estimate(one: bytes, other: bytes) -> float:
    """The estimated share of shingles that the documents of two signatures have in common, 0 to 1.

    Its standard error is at most 0.056, at a share of one half.
    """
    numbers = BANDS * ROWS
    if len(one) != len(other) or len(one) != numbers * NUMBER_BYTES:
        return 0.0
    pairs = zip(struct.unpack(f"<{numbers}I", one), struct.unpack(f"<{numbers}I", other), strict=True)
    return sum(first == second for first, second in pairs) / numbers


def copied_share(original: Set[str], candidate: Set[str]) -> float | None:
    """The share of all shingles that are in both, 0 to 1, when the candidate is a copy of the original; else None.

    It is one when it shares nearly all with the original, or when it has nearly nothing that the original lacks.
    A document that adds to an earlier one stays, and so does the earlier one.
    """
    common = len(original & candidate)
    together = len(original) + len(candidate) - common
    if not together:
        return None
    shared = common / together
    adds_nothing = shared >= MIN_SHARED_CONTAINED and common >= MIN_CONTAINED * len(candidate)
    return shared if shared >= MIN_SHARED or adds_nothing else None
