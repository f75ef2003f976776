"""Retrieval over time: what is kept, what is compared, and that chance stops nobody."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from twin.artifacts import ArtifactStore
from twin.evaluation import charts
from twin.evaluation.history import Evaluation, compare, history, record
from twin.evaluation.intervals import bootstrap, chance_of_drop
from twin.evaluation.retrieval import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def outcomes(ranks: Sequence[float], *, prefix: str = "q") -> list[Outcome]:
    return [
        Outcome(
            question=f"{prefix}{place}", author="Ada", recall={1: 0.0, 4: 0.0, 10: 0.0}, reciprocal_rank=rank, ndcg=rank
        )
        for place, rank in enumerate(ranks)
    ]


def kept(
    store: ArtifactStore, ranks: Sequence[float], index: str, *, accept: bool = False, dataset: str = "d1"
) -> list[Evaluation]:
    return record(
        store,
        outcomes(ranks),
        at=NOW,
        generation=f"{index}-generation",
        index_version=index,
        dataset_version=dataset,
        rivals={"dense alone": 0.5},
        accept=accept,
    )


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path))


def test_the_first_evaluation_passes(store: ArtifactStore) -> None:
    (first,) = kept(store, [0.1] * 30, "i1")
    assert first.accepted
    assert "first evaluation" in first.verdict.reason


def test_a_sure_drop_is_a_regression_and_says_how_to_go_back(store: ArtifactStore) -> None:
    kept(store, [1.0] * 30, "i1")
    *_, last = kept(store, [0.5] * 20 + [1.0] * 10, "i2")
    assert not last.accepted
    assert (last.verdict.baseline, last.verdict.common) == ("i1-generation", 30)
    assert "llm-twin index rollback" in last.verdict.reason
    assert "accept: true" in last.verdict.reason


def test_a_drop_within_chance_is_none(store: ArtifactStore) -> None:
    kept(store, [1.0] * 30, "i1")
    *_, last = kept(store, [0.5, *([1.0] * 29)], "i2")
    assert last.accepted
    assert last.verdict.reason.startswith("No regression")


def test_a_small_drop_is_none_however_sure(store: ArtifactStore) -> None:
    kept(store, [0.50] * 200, "i1")
    *_, last = kept(store, [0.49] * 200, "i2")
    assert last.accepted


@pytest.mark.parametrize(("worse", "equal", "regressed"), [(5, 0, False), (6, 0, True), (6, 4, True), (5, 5, False)])
def test_few_questions_decide_when_at_least_six_of_them_became_worse(
    store: ArtifactStore, worse: int, equal: int, regressed: bool
) -> None:
    kept(store, [1.0] * (worse + equal), "i1")
    *_, last = kept(store, [0.25] * worse + [1.0] * equal, "i2")
    assert last.verdict.regressed is regressed
    assert last.verdict.common == worse + equal


def test_losses_among_gains_are_chance(store: ArtifactStore) -> None:
    kept(store, [1.0] * 6 + [0.25] * 4, "i1")
    *_, last = kept(store, [0.25] * 6 + [1.0] * 4, "i2")
    assert last.accepted
    assert last.verdict.difference is not None
    assert last.verdict.difference.mean < -0.1


def test_without_a_common_question_nothing_is_compared(store: ArtifactStore) -> None:
    kept(store, [1.0] * 30, "i1")
    verdict = compare(outcomes([0.0] * 30, prefix="new"), "i2", history(store))
    assert (verdict.regressed, verdict.common, verdict.difference) == (False, 0, None)
    assert "i1-generation" in verdict.reason


def test_the_chance_of_a_drop_is_counted_exactly_for_a_few_and_estimated_for_many() -> None:
    assert chance_of_drop([]) == chance_of_drop([0.0] * 50) == 1.0
    assert chance_of_drop([-0.5] * 6) == 1 / 64
    assert chance_of_drop([-0.5, 0.5]) == 0.75
    assert chance_of_drop([-0.3] * 3 + [0.3]) == pytest.approx(5 / 16)
    many = [-0.1] * 60 + [0.1] * 40
    assert chance_of_drop(many) == pytest.approx(0.028, abs=0.008)  # 60 or more heads of 100
    assert chance_of_drop(many) == chance_of_drop(many)
    assert chance_of_drop([-0.1] * 40) < 0.001


def test_only_questions_that_both_were_asked_are_compared(store: ArtifactStore) -> None:
    kept(store, [1.0] * 30, "i1")
    verdict = compare([*outcomes([1.0] * 25), *outcomes([0.0] * 25, prefix="new")], "i2", history(store))
    assert (verdict.common, verdict.regressed) == (25, False)


def test_a_regression_is_no_yardstick_for_the_next_one(store: ArtifactStore) -> None:
    kept(store, [1.0] * 30, "i1")
    kept(store, [0.2] * 30, "i2")
    *_, last = kept(store, [0.3] * 30, "i3")
    assert (last.accepted, last.verdict.baseline) == (False, "i1-generation")


def test_a_person_may_accept_a_drop_which_is_then_the_yardstick(store: ArtifactStore) -> None:
    kept(store, [1.0] * 30, "i1")
    kept(store, [0.2] * 30, "i2")
    accepted = kept(store, [0.2] * 30, "i2", accept=True)
    assert [one.accepted for one in accepted] == [True, True]
    assert kept(store, [0.2] * 30, "i3")[-1].verdict.baseline == "i2-generation"


def test_an_accepted_drop_stays_accepted_until_the_same_index_finds_even_less(store: ArtifactStore) -> None:
    kept(store, [1.0] * 30, "i1")
    kept(store, [0.5] * 30, "i2", accept=True)
    assert kept(store, [0.5] * 30, "i2")[-1].accepted
    assert kept(store, [0.5] * 30, "i2", dataset="d2")[-1].accepted
    assert not kept(store, [0.2] * 30, "i2", dataset="d3")[-1].accepted


def test_evaluating_the_same_index_again_replaces_and_is_judged_as_before(store: ArtifactStore) -> None:
    kept(store, [1.0] * 30, "i1")
    kept(store, [0.2] * 30, "i2")
    again = kept(store, [0.2] * 30, "i2")
    assert [one.index_version for one in again] == ["i1", "i2"]
    assert not again[-1].accepted


def test_however_many_are_refused_the_accepted_one_stays_the_yardstick(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twin.evaluation.history.KEPT", 3)
    kept(store, [0.9] * 30, "older")
    kept(store, [1.0] * 30, "good")
    for number in range(6):
        evaluations = kept(store, [0.1] * 30, f"bad{number}")
    assert [one.generation for one in evaluations] == [
        f"{name}-generation" for name in ("older", "good", "bad3", "bad4", "bad5")
    ]
    assert evaluations[-1].verdict.baseline == "good-generation"
    assert not evaluations[-1].accepted
    again = kept(store, [1.0] * 30, "good")[-1]
    assert again.verdict.baseline == "older-generation"


def test_the_interval_holds_the_mean_and_is_the_same_every_time() -> None:
    values = [random.Random(1).random() for _ in range(50)]
    interval = bootstrap(values)
    assert interval.low <= interval.mean <= interval.high
    assert interval == bootstrap(values)
    assert bootstrap([0.5] * 9).low == bootstrap([0.5] * 9).high == 0.5
    with pytest.raises(ValueError, match="at least one"):
        bootstrap([])


def test_the_chart_is_an_image_also_with_a_regression_in_it(store: ArtifactStore) -> None:
    kept(store, [1.0] * 30, "i1")
    evaluations = kept(store, [0.2] * 30, "i2")
    assert charts.retrieval_over_time(evaluations).startswith(b"\x89PNG")
    assert charts.retrieval_over_time(evaluations[:1]).startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="at least one"):
        charts.retrieval_over_time([])
