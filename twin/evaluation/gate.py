"""The one decision that stands between a trained model and the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from twin.evaluation.model import ModelScores, Perplexity

__all__ = ["MIN_AUTHOR_TOKENS", "GateDecision", "gate"]

MIN_AUTHOR_TOKENS = 300
"""An author with less held-out text is not judged alone: chance would decide."""


class GateDecision(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a model may be registered, and every reason why not."""

    passed: bool
    reasons: list[str]


def gate(scores: ModelScores, margin: float) -> GateDecision:
    """Passes a model that predicts its authors' held-out words better than its base does.

    Its perplexity must be lower by `margin`, a share of the base's: over all text, and for each author with enough.
    """
    reasons = _too_weak("the held-out text", scores.perplexity, margin)
    for author, own in sorted(scores.authors.items()):
        if own.perplexity.tokens >= MIN_AUTHOR_TOKENS:
            reasons += _too_weak(f"the held-out text of {author}", own.perplexity, margin)
    return GateDecision(passed=not reasons, reasons=reasons)


def _too_weak(what: str, perplexity: Perplexity, margin: float) -> list[str]:
    if perplexity.tokens == 0:
        return [f"There is no text to judge by in {what}. Hold more documents out (TRAINING_TEST_SHARE)."]
    if not perplexity.gain >= margin:  # also when the perplexity is not a number
        return [
            f"On {what} the tuned model's perplexity is {perplexity.tuned:.2f} against the base's "
            f"{perplexity.base:.2f}: lower by {perplexity.gain:.1%}, and {margin:.1%} is asked for."
        ]
    return []
