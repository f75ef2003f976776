"""The blind comparison: the better of two answers to one question, chosen before it is known which model wrote it.

A manifest's `examples` are what can be compared. Which of two answers is called A is drawn for each pair from a seed
that is made once for a reviewer and a manifest and that never leaves the server before all choices are stored: until
then nothing that is shown depends on the side, except the answers themselves.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LEAST_PAIRS", "Choice", "Pair", "Side", "Tally", "comparable", "drawn", "is_possible", "tally", "wilson"]

LEAST_PAIRS = 8
"""With fewer pairs a tally says nothing: even eight of eight leave the lower end of the interval at 0.68."""
MOST_PAIRS = 12
"""A person reads no more with care; of more examples each reviewer gets a sample."""
Z = 1.959964
"""The standard normal's 97.5% point: intervals have 95% confidence."""

Choice = Literal["a", "b", "tie"]
Side = Literal["a", "b"]


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two answers to one question, in the order in which one reviewer sees them."""

    number: int
    """From 1, in the reviewer's own order; no position in the manifest."""
    instruction: str
    author: str
    reference: str
    """What the author wrote there."""
    passages: list[str]
    """What the models were shown with the question; none where it was asked without."""
    a: str
    b: str
    tuned: Side
    """Which of the two the tuned model wrote. For nobody's eyes before all choices are stored."""


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """How often each model's answer was chosen."""

    pairs: int
    tuned: int
    base: int
    ties: int

    @property
    def share(self) -> float | None:
        """The tuned model's share of the pairs that were no ties; None where all were."""
        decided = self.tuned + self.base
        return self.tuned / decided if decided else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where that share lies with 95% confidence, by the score interval (Wilson, 1927).

        Ties are left out, as the sign test does (Dixon and Mood, 1946): they tell for neither.
        """
        decided = self.tuned + self.base
        return wilson(self.tuned, decided) if decided else None


def comparable(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The examples of a manifest with two answers that differ. Equal ones, and what is no example, tell nothing."""
    examples = manifest.get("examples")
    found = [example for example in examples if isinstance(example, dict)] if isinstance(examples, list) else []
    return [
        example
        for example in found
        if (base := text_of(example, "base")) and (tuned := text_of(example, "tuned")) and base != tuned
    ]


def is_possible(manifest: Mapping[str, Any]) -> bool:
    """Whether there are enough pairs."""
    return len(comparable(manifest)) >= LEAST_PAIRS


def drawn(manifest: Mapping[str, Any], seed: str) -> list[Pair]:
    """The pairs of one reviewer: at most MOST_PAIRS, their order and their sides drawn from the seed."""
    examples = comparable(manifest)
    order = sorted(range(len(examples)), key=lambda index: _draw(seed, "order", index))[:MOST_PAIRS]
    return [
        _pair(number, examples[index], "a" if _draw(seed, "side", index)[0] % 2 else "b")
        for number, index in enumerate(order, start=1)
    ]


def tally(pairs: list[Pair], choices: Mapping[int, Choice]) -> Tally:
    """The count of choices, one for each pair by its number.

    Raises:
        KeyError: A pair was not judged.
    """
    made = [(pair, choices[pair.number]) for pair in pairs]
    return Tally(
        pairs=len(pairs),
        tuned=sum(choice == pair.tuned for pair, choice in made),
        base=sum(choice not in (pair.tuned, "tie") for pair, choice in made),
        ties=sum(choice == "tie" for _, choice in made),
    )


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95% score interval of a share (Wilson, 1927); it holds with few trials, and with none or all successes."""
    share, weight = successes / trials, Z**2 / trials
    middle = (share + weight / 2) / (1 + weight)
    reach = Z * math.sqrt(share * (1 - share) / trials + weight / (4 * trials)) / (1 + weight)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def text_of(example: Mapping[str, Any], name: str) -> str:
    """A text of an example; empty where there is none: manifests may come from anyone."""
    value = example.get(name)
    return value.strip() if isinstance(value, str) else ""


def _pair(number: int, example: Mapping[str, Any], tuned: Side) -> Pair:
    first, second = ("tuned", "base") if tuned == "a" else ("base", "tuned")
    passages = example.get("passages")
    return Pair(
        number=number,
        instruction=text_of(example, "instruction"),
        author=text_of(example, "author"),
        reference=text_of(example, "reference"),
        passages=[passage for passage in passages if isinstance(passage, str)] if isinstance(passages, list) else [],
        a=text_of(example, first),
        b=text_of(example, second),
        tuned=tuned,
    )


def _draw(seed: str, purpose: str, index: int) -> bytes:
    return hmac.digest(seed.encode(), f"{purpose} {index}".encode(), hashlib.sha256)
