"""The gate between a trained model and the registry: a table of guarded figures, and one verdict.

A figure is held against the base model's and against that of the model in production. What counts is the whole 95%
interval of the difference: not worse, when all of it is within the margin; worse, when all of it is beyond; else nobody
can tell, and a person decides. "Worse" is never registered.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from twin.evaluation.comparison import PERPLEXITY, STYLE, Comparison
from twin.evaluation.intervals import CONFIDENCE, Interval, bootstrap, chance_of_drop

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from twin.evaluation.model import ModelScores

__all__ = ["LEAST_SAMPLES", "LEAST_TOKENS", "GateDecision", "GateRow", "Verdict", "gate"]

Verdict = Literal["not worse", "worse", "cannot tell"]

LEAST_SAMPLES = 24
"""With 12 held-out answers good and bad models look alike (measured)."""
LEAST_TOKENS = 300
"""Of an author's held-out text: with less, chance would decide."""
LEAST_SUPPORT = 85.0
"""Percent of the sentences of answers with passages."""
WORSE_THAN_PRODUCTION = 2.0
"""Percent of perplexity that may be lost to the model in production."""
CHANCE = (1 - CONFIDENCE) / 2


class Guard(msgspec.Struct, frozen=True, kw_only=True):
    """A figure that must not become worse."""

    metric: str
    label: str
    is_better: Literal["higher", "lower"] = "higher"
    margin: float
    """So many points are not called worse. They are less than a reader sees, and more than chance alone gives."""


GUARDS = (
    Guard(metric="chrf", label="chrF without passages", margin=1.5),
    Guard(metric="repeated_4grams", label="repeated 4-grams without passages", is_better="lower", margin=2),
    Guard(metric=STYLE, label="style without passages", margin=2),
    Guard(metric="copied", label="copied from the training text", is_better="lower", margin=10),
    Guard(metric="ended", label="answers without passages that end", margin=25),
    Guard(metric="chrf_with_passages", label="chrF with passages", margin=1.5),
    Guard(metric="f1_with_passages", label="token F1 with passages", margin=1.5),
    Guard(metric="support_with_passages", label="supported by the passages", margin=3),
    Guard(metric="repeated_4grams_with_passages", label="repeated 4-grams with passages", is_better="lower", margin=2),
    Guard(metric="ended_with_passages", label="answers with passages that end", margin=25),
)


class GateRow(msgspec.Struct, frozen=True, kw_only=True):
    """One guarded figure against one rival, judged."""

    figure: str
    against: str
    asked: str
    """The direction and the margin, in words."""
    least: int
    """Samples (of perplexity: tokens) below which nothing is called not worse."""
    size: int
    candidate: float
    rival: float
    difference: Interval
    """In points, positive where the candidate is better."""
    margin: float
    """A difference above minus this is not worse."""
    verdict: Verdict

    @property
    def reason(self) -> str:
        """Why it is not passed, in a sentence."""
        return (
            f"{self.figure}: {self.candidate:.2f} against {self.rival:.2f} ({self.against}), a difference of "
            f"{self.difference.mean:+.2f} [{self.difference.low:+.2f}, {self.difference.high:+.2f}] over {self.size}; "
            f"asked is {self.asked}."
        )


class GateDecision(msgspec.Struct, frozen=True, kw_only=True):
    """The table, and what it comes to."""

    rows: list[GateRow]

    @property
    def verdict(self) -> Verdict:
        """Worse when any figure is, else cannot tell when any cannot be told."""
        found = {row.verdict for row in self.rows}
        return "worse" if "worse" in found else "cannot tell" if "cannot tell" in found or not found else "not worse"

    @property
    def passed(self) -> bool:
        """Whether the model may be registered."""
        return self.verdict != "worse"

    @property
    def reasons(self) -> list[str]:
        """Of the verdict, unless it is good."""
        return [row.reason for row in self.rows if row.verdict == self.verdict != "not worse"]

    def as_rows(self) -> list[dict[str, str | int | float]]:
        """The table as people read it, one flat row per figure and rival."""
        return [
            {
                "figure": row.figure,
                "against": row.against,
                "asked": row.asked,
                "least": row.least,
                "over": row.size,
                "candidate": round(row.candidate, 2),
                "rival": round(row.rival, 2),
                "difference": round(row.difference.mean, 2),
                "interval": f"[{row.difference.low:+.2f}, {row.difference.high:+.2f}]",
                "verdict": row.verdict,
            }
            for row in self.rows
        ]

    def as_markdown(self) -> str:
        """The same in markdown."""
        rows = self.as_rows()
        names = list(rows[0]) if rows else ["figure"]
        head = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
        return "\n".join([*head, *(f"| {' | '.join(map(str, row.values()))} |" for row in rows)])

    def as_manifest(self) -> dict[str, Any]:
        """For the registered manifest: the verdict and the table."""
        return {"verdict": self.verdict, "reasons": self.reasons, "rows": self.as_rows()}


def gate(scores: ModelScores, margin: float) -> GateDecision:
    """Judges every guarded figure of a candidate.

    `margin` is the share by which its perplexity must be below the base's: over all text, and for each author.
    """
    return GateDecision(rows=[*_perplexity(scores.comparisons, margin), *_guarded(scores.comparisons), *_floor(scores)])


def _perplexity(comparisons: Iterable[Comparison], margin: float) -> list[GateRow]:
    rows = []
    for found in comparisons:
        if found.metric != PERPLEXITY and (not found.metric.startswith(PERPLEXITY) or found.size < LEAST_TOKENS):
            continue  # another figure, or an author with too little text to be judged alone
        allowed = -100 * margin if found.rival == "base" else WORSE_THAN_PRODUCTION
        asked = f"lower by {100 * margin:g}%" if found.rival == "base" else f"not higher by {allowed:g}%"
        rows.append(_row(found.metric, found, asked, allowed, LEAST_TOKENS, found.difference, found.differences))
    return rows


def _guarded(comparisons: Iterable[Comparison]) -> list[GateRow]:
    found = list(comparisons)
    return [_judged(guard, one) for guard in GUARDS for one in found if one.metric == guard.metric]


def _judged(guard: Guard, found: Comparison) -> GateRow:
    difference, differences = found.difference, found.differences
    asked = f"not below the rival's - {guard.margin:g}"
    if guard.is_better == "lower":
        asked = f"not above the rival's + {guard.margin:g}"
        difference = Interval(mean=-difference.mean, low=-difference.high, high=-difference.low)
        differences = [-one for one in differences]
    return _row(guard.label, found, asked, guard.margin, LEAST_SAMPLES, difference, differences)


def _floor(scores: ModelScores) -> list[GateRow]:
    """Support has a least value besides; it is reached when what was measured reaches it."""
    if not scores.support:
        return []
    above = bootstrap([one - LEAST_SUPPORT for one in scores.support])
    found = Comparison(
        metric="support_with_passages",
        rival="base",
        candidate=above.mean + LEAST_SUPPORT,
        other=LEAST_SUPPORT,
        difference=above,
        size=len(scores.support),
    )
    asked = f"at least {LEAST_SUPPORT:g}%"
    differences = [one - LEAST_SUPPORT for one in scores.support]
    row = _row("supported by the passages", found, asked, 0.0, LEAST_SAMPLES, above, differences, "the floor")
    is_reached = above.mean >= 0 and row.size >= row.least
    return [msgspec.structs.replace(row, verdict="not worse") if is_reached else row]


def _row(
    label: str,
    found: Comparison,
    asked: str,
    margin: float,
    least: int,
    difference: Interval,
    differences: Sequence[float],
    against: str = "",
) -> GateRow:
    return GateRow(
        figure=label,
        against=against or found.rival,
        asked=asked,
        least=least,
        size=found.size,
        candidate=found.candidate,
        rival=found.other,
        difference=difference,
        margin=margin,
        verdict=_verdict(difference, differences, margin, is_enough=found.size >= least),
    )


def _verdict(difference: Interval, differences: Sequence[float], margin: float, *, is_enough: bool) -> Verdict:
    if not math.isfinite(difference.mean):
        return "worse"  # a model whose words have no likelihood
    if difference.high < -margin:
        # Of a few samples the bootstrap is too sure: there, worse is what chance alone would not give.
        if is_enough or (differences and chance_of_drop([one + margin for one in differences]) < CHANCE):
            return "worse"
        return "cannot tell"
    return "not worse" if is_enough and difference.low >= -margin else "cannot tell"
