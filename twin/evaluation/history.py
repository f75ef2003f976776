"""Retrieval over time: each evaluation is kept in the artifact store and compared with the last one that was accepted.

A mean over few questions jumps by chance, so two generations are compared question by question: the mean reciprocal
rank must drop by more than `LEAST_DROP`, and by more than chance would explain, to count.
"""

from __future__ import annotations

import logging
from datetime import datetime  # noqa: TC003 - msgspec reads the annotations at run time
from typing import TYPE_CHECKING

import msgspec

from twin.evaluation.intervals import Interval, bootstrap, chance_of_drop
from twin.evaluation.retrieval import Outcome  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twin.artifacts import ArtifactStore

__all__ = ["LEAST_DROP", "MOST_CHANCE", "Evaluation", "Verdict", "compare", "history", "record"]

logger = logging.getLogger(__name__)

PATH = "retrieval_evaluation/history.jsonl"
KEPT = 200
"""Evaluations kept; the oldest go, but for those that later ones are compared with."""
MOST_CHANCE = 0.025
"""A drop that chance would give more often is none. Six questions that all became worse are the fewest that decide."""
LEAST_DROP = 0.02
"""A smaller drop of the mean reciprocal rank is not worth stopping for, however sure it is."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """How an evaluation compares with the last accepted one."""

    regressed: bool
    reason: str
    """For people."""
    baseline: str | None = None
    """The generation that it was compared with."""
    difference: Interval | None = None
    """Of the reciprocal ranks on the common questions, new less old."""
    chance: float | None = None
    """How often chance alone would give such a drop."""
    common: int = 0
    """Questions that both were asked."""


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """What one generation of the index scored."""

    at: datetime
    generation: str
    index_version: str
    """Data version of the index; equal for the same passages."""
    dataset_version: str
    """Of the instruct dataset whose held-out instructions were asked."""
    outcomes: list[Outcome]
    mrr: Interval
    rivals: dict[str, float] = {}
    """Mean reciprocal rank of dense search alone and of BM25 alone on the same questions."""
    verdict: Verdict
    accepted: bool
    """False when it was a regression that nobody accepted: the next evaluation is compared with an earlier one."""


def history(store: ArtifactStore) -> list[Evaluation]:
    """All evaluations that are kept, oldest first. What another version wrote otherwise is passed over, and told."""
    found = []
    for number, line in enumerate((store.read(PATH) or b"").splitlines(), 1):
        try:
            found.append(msgspec.json.decode(line, type=Evaluation))
        except msgspec.DecodeError as error:
            logger.warning("Line %d of %s in the artifact store is no evaluation: %s", number, PATH, error)
    return found


def record(
    store: ArtifactStore,
    outcomes: Sequence[Outcome],
    *,
    at: datetime,
    generation: str,
    index_version: str,
    dataset_version: str,
    rivals: dict[str, float],
    accept: bool = False,
) -> list[Evaluation]:
    """Judges and keeps an evaluation; returns the history with it. One of the same index and dataset is replaced.

    A drop that a person accepted stays accepted when the same index is evaluated again, unless it finds less by then.

    Raises:
        ValueError: There are no outcomes.
    """
    past = history(store)
    earlier = [one for one in past if (one.index_version, one.dataset_version) != (index_version, dataset_version)]
    verdict = compare(outcomes, index_version, earlier)
    evaluation = Evaluation(
        at=at,
        generation=generation,
        index_version=index_version,
        dataset_version=dataset_version,
        outcomes=list(outcomes),
        mrr=bootstrap([outcome.reciprocal_rank for outcome in outcomes]),
        rivals=rivals,
        verdict=verdict,
        accepted=accept or not verdict.regressed or _accepted_before(outcomes, index_version, past),
    )
    kept = _trimmed([*earlier, evaluation])
    store.write(PATH, b"".join(msgspec.json.encode(one) + b"\n" for one in kept))
    return kept


def compare(outcomes: Sequence[Outcome], index_version: str, earlier: Sequence[Evaluation]) -> Verdict:
    """Whether the outcomes are worse than those of the last accepted evaluation of another index.

    Args:
        outcomes: What the live index found.
        index_version: Its data version.
        earlier: The history without this evaluation, oldest first.
    """
    baseline = next((one for one in reversed(earlier) if one.accepted and one.index_version != index_version), None)
    if baseline is None:
        return Verdict(regressed=False, reason="The first evaluation has nothing to be compared with.")
    return _against(baseline, outcomes)


def _trimmed(evaluations: list[Evaluation]) -> list[Evaluation]:
    """The newest, and of the others what the next one may be compared with: the last accepted ones of two indexes."""
    older, recent = evaluations[:-KEPT], evaluations[-KEPT:]
    accepted = [one for one in reversed(evaluations) if one.accepted]
    baselines = accepted[:1] + [one for one in accepted if one.index_version != accepted[0].index_version][:1]
    return [one for one in older if one in baselines] + recent


def _accepted_before(outcomes: Sequence[Outcome], index_version: str, past: Sequence[Evaluation]) -> bool:
    """Whether a person accepted this index although it was worse, and it finds no less now."""
    own = [one for one in past if one.index_version == index_version and one.accepted and one.verdict.regressed]
    return bool(own) and not _against(own[-1], outcomes).regressed


def _against(baseline: Evaluation, outcomes: Sequence[Outcome]) -> Verdict:
    before = {outcome.question: outcome.reciprocal_rank for outcome in baseline.outcomes}
    differences = [
        outcome.reciprocal_rank - before[outcome.question] for outcome in outcomes if outcome.question in before
    ]
    if not differences:
        reason = f"No question was asked of generation {baseline.generation} too."
        return Verdict(regressed=False, reason=reason, baseline=baseline.generation)
    difference, chance = bootstrap(differences), chance_of_drop(differences)
    regressed = difference.mean < -LEAST_DROP and chance < MOST_CHANCE
    return Verdict(
        regressed=regressed,
        reason=_reason(regressed, difference, chance, baseline.generation, len(differences)),
        baseline=baseline.generation,
        difference=difference,
        chance=chance,
        common=len(differences),
    )


def _reason(regressed: bool, difference: Interval, chance: float, generation: str, common: int) -> str:
    figures = (
        f"mean reciprocal rank {difference.mean:+.3f} ({difference.low:+.3f} to {difference.high:+.3f}) against "
        f"generation {generation} over {common} questions; chance alone gives such a drop in {chance:.1%} of cases"
    )
    if not regressed:
        return f"No regression: {figures}."
    return (
        f"Retrieval is worse: {figures}. The live index is the new one. Go back to the one before with `llm-twin "
        "index rollback`, which holds the new passages back until they change; or, if the drop is to be accepted, "
        "materialise `retrieval_evaluation` with `accept: true` in its config."
    )
