from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.unit.evaluation import models
from twin.evaluation.comparison import PERPLEXITY, paired, perplexities
from twin.evaluation.gate import LEAST_SAMPLES, GateDecision, gate
from twin.evaluation.losses import SampleLoss
from twin.evaluation.model import ModelScores, Said, score

if TYPE_CHECKING:
    from twin.evaluation.answers import Answer
    from twin.evaluation.comparison import Comparison

SEEDS = [pytest.param(0), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 5))]


def decide(tuned: Said, *, count: int = 40, seed: int = 0, production: Said | None = None) -> GateDecision:
    asked = models.questions(count, seed)
    texts = models.training_texts(seed)
    scores = score(asked, tuned, models.base(asked, seed), production=production, author_texts=texts)
    assert msgspec.json.decode(msgspec.json.encode(scores), type=ModelScores) == scores
    return gate(scores, margin=0.02)


def worse_figures(decision: GateDecision) -> set[str]:
    return {row.figure for row in decision.rows if row.verdict == "worse"}


def with_texts(said: Said, changed: dict[str, list[str]], *, ended: bool = True) -> Said:
    def other(answers: list[Answer], texts: list[str]) -> list[Answer]:
        return [msgspec.structs.replace(one, text=text, ended=ended) for one, text in zip(answers, texts, strict=True)]

    return msgspec.structs.replace(said, **{name: other(getattr(said, name), texts) for name, texts in changed.items()})


# Models that are made out of a good one


@pytest.mark.parametrize("seed", SEEDS)
def test_a_good_model_passes(seed: int) -> None:
    decision = decide(models.good(models.questions(40, seed), seed), seed=seed)
    assert decision.verdict == "not worse", decision.reasons
    assert decision.passed
    assert decision.reasons == []


@pytest.mark.parametrize("seed", SEEDS)
def test_a_model_that_repeats_itself_is_refused_for_that(seed: int) -> None:
    good = models.good(models.questions(40, seed), seed)
    looped = [" ".join((one.text.split()[:8] * 8)[: models.LIMIT]) for one in good.plain]
    decision = decide(with_texts(good, {"plain": looped}), seed=seed)
    assert not decision.passed
    assert "repeated 4-grams without passages" in worse_figures(decision)
    assert "repeated 4-grams with passages" not in worse_figures(decision)
    assert any(reason.startswith("repeated 4-grams without passages: ") for reason in decision.reasons)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_model_that_answers_in_another_language_is_refused_for_closeness_and_style(seed: int) -> None:
    chance = random.Random(seed)
    words = [
        "der",
        "die",
        "und",
        "nicht",
        "zwischen",
        "übrigens",
        "Wörter",
        "Zeilen",
        "überall",
        "Möglichkeit",
        "schließlich",
        "während",
        "Bücher",
    ]
    foreign = [" ".join(chance.choice(words) for _ in range(models.LIMIT)) for _ in range(40)]
    good = models.good(models.questions(40, seed), seed)
    refused = worse_figures(decide(with_texts(good, {"plain": foreign, "shown": foreign}), seed=seed))
    assert {"chrF without passages", "chrF with passages", "style without passages"} <= refused
    assert "supported by the passages" in refused
    assert not any(figure.startswith("repeated") for figure in refused)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_model_that_never_stops_is_refused_for_that_alone(seed: int) -> None:
    good = models.good(models.questions(40, seed), seed)
    endless = with_texts(
        good, {name: [one.text for one in getattr(good, name)] for name in ("plain", "shown")}, ended=False
    )
    refused = worse_figures(decide(endless, seed=seed))
    assert refused == {"answers without passages that end", "answers with passages that end"}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_model_that_copies_its_training_text_is_refused_for_that(seed: int) -> None:
    known = models.training_texts(seed)[models.AUTHOR]
    good = models.good(models.questions(40, seed), seed)
    copies = [" ".join(known[number].split()[: models.LIMIT]) for number in range(40)]
    refused = worse_figures(decide(with_texts(good, {"plain": copies}), seed=seed))
    assert refused == {"copied from the training text"}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_wrecked_model_is_refused_for_its_perplexity_and_its_answers(seed: int) -> None:
    """As one with its layers in another order, whose words are noise."""
    chance = random.Random(seed)
    noise = [" ".join("".join(chance.choices("abcxyz", k=5)) for _ in range(60)) for _ in range(40)]
    good = models.good(models.questions(40, seed), seed)
    wrecked = msgspec.structs.replace(
        with_texts(good, {"plain": noise, "shown": noise}),
        losses=[SampleLoss(tokens=90, nats=90 * 11.0) for _ in range(40)],
    )
    assert {PERPLEXITY, "chrF without passages", "token F1 with passages"} <= worse_figures(decide(wrecked, seed=seed))


def test_a_model_that_is_worse_than_production_is_refused_though_it_beats_its_base() -> None:
    asked = models.questions(40)
    good = models.good(asked)
    rambling = with_texts(good, {"shown": [one.text for one in models.base(asked).shown]})
    decision = decide(rambling, production=good)
    assert not decision.passed
    worse = {(row.figure, row.against) for row in decision.rows if row.verdict == "worse"}
    assert ("chrF with passages", "production") in worse
    assert "base" not in {against for _, against in worse}
    assert decide(good, production=rambling).passed


# Few samples


def test_few_samples_pass_nobody_and_still_refuse_what_chance_would_not_give() -> None:
    asked = models.questions(LEAST_SAMPLES // 2)
    good = models.good(asked)
    assert decide(good, count=len(asked)).verdict == "cannot tell"
    looped = [" ".join((one.text.split()[:8] * 8)[: models.LIMIT]) for one in good.plain]
    refused = worse_figures(decide(with_texts(good, {"plain": looped}), count=len(asked)))
    assert "repeated 4-grams without passages" in refused


def test_three_bad_answers_may_be_chance() -> None:
    asked = models.questions(3)
    looped = ["and so on and so on and so on and so on"] * 3
    decision = decide(with_texts(models.good(asked), {"plain": looped}), count=3)
    assert decision.verdict == "cannot tell"
    assert decision.passed


# The three verdicts


def scores_of(*comparisons: Comparison) -> ModelScores:
    return ModelScores(
        questions=40,
        with_passages=0,
        held_out_tokens=0,
        figures={},
        comparisons=list(comparisons),
        support=[],
        authors={},
        examples=[],
        tokens_per_second=0,
    )


def chrf_differences(mean: float, spread: float, count: int = 40) -> Comparison:
    values = [mean + spread * (1 if number % 2 else -1) for number in range(count)]
    return paired("chrf", "base", [20 + value for value in values], [20.0] * count)


@pytest.mark.parametrize(
    ("mean", "spread", "verdict"),
    [
        (1.0, 1.0, "not worse"),
        (-1.0, 1.0, "not worse"),  # within the margin of 1.5
        (-3.0, 1.0, "worse"),
        (-1.4, 5.0, "cannot tell"),  # the interval reaches beyond the margin
        (-3.0, 9.0, "cannot tell"),
    ],
)
def test_the_whole_interval_decides(mean: float, spread: float, verdict: str) -> None:
    (row,) = gate(scores_of(chrf_differences(mean, spread)), margin=0).rows
    assert row.verdict == verdict
    assert row.difference.mean == pytest.approx(mean)


def test_one_worse_figure_is_worth_more_than_any_doubt() -> None:
    good, open_, bad = chrf_differences(5, 1), chrf_differences(0, 20), chrf_differences(-9, 1)
    assert gate(scores_of(good, open_), margin=0).verdict == "cannot tell"
    decision = gate(scores_of(good, open_, bad), margin=0)
    assert decision.verdict == "worse"
    assert len(decision.reasons) == 1
    assert gate(scores_of(), margin=0).verdict == "cannot tell"


def losses(nats: float, tokens: int, samples: int) -> list[SampleLoss]:
    return [SampleLoss(tokens=tokens, nats=tokens * nats) for _ in range(samples)]


@pytest.mark.parametrize(("tuned", "verdict"), [(2.0, "not worse"), (2.99, "worse"), (3.5, "worse"), (50.0, "worse")])
def test_perplexity_must_be_lower_by_the_margin(tuned: float, verdict: str) -> None:
    found = perplexities(PERPLEXITY, "base", losses(tuned, 50, 40), losses(3.0, 50, 40))
    assert gate(scores_of(found), margin=0.02).verdict == verdict
    assert found.candidate == pytest.approx(math.exp(tuned))


def test_an_author_with_little_held_out_text_is_not_judged_alone() -> None:
    overall = perplexities(PERPLEXITY, "base", losses(2.0, 50, 40), losses(3.0, 50, 40))
    for tokens, passed in ((299, True), (300, False)):
        own = perplexities("perplexity of bob", "base", losses(3.5, tokens, 1), losses(3.0, tokens, 1))
        assert gate(scores_of(overall, own), margin=0.02).passed == passed


def test_the_table_and_the_manifest_say_all() -> None:
    decision = gate(scores_of(chrf_differences(-9, 1)), margin=0)
    head, rule, row = decision.as_markdown().splitlines()
    assert head.count("|") == rule.count("|") == row.count("|")
    assert "not below the rival's - 1.5" in row
    assert "| -9.0 | [" in row
    manifest = decision.as_manifest()
    assert manifest["verdict"] == "worse"
    assert manifest["rows"][0]["least"] == LEAST_SAMPLES
