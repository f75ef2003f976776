"""Preference training on a tiny random model: TRL's own loss, a reference that stays, and runs that survive a kill."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.integration.tiny_model import SHORT, adapters, container, encoded, made_up, made_up_pairs, same
from twin.errors import TrainingFailed
from twin.training.program import models, pairs, phases, preference
from twin.training.program.__main__ import run
from twin.training.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from twin.training.program.pairs import EncodedPair

RECIPE = Recipe(
    max_steps=2,
    max_length=96,
    learning_rate=1e-2,
    eval_every=0,
    lora_r=4,
    lora_alpha=8,
    epochs=8,
    dpo_steps=6,
    dpo_pairs=2,
    dpo_learning_rate=1e-2,
    dpo_sft_weight=0.5,
)


def encoded_pairs(folder: Path, count: int = 8, seed: int = 3) -> list[EncodedPair]:
    return pairs.prepare(made_up_pairs(count, seed), models.load_tokenizer(folder), RECIPE.max_length).pairs


def train(
    folder: Path,
    checkpoints: Path,
    recipe: Recipe = RECIPE,
    given: Sequence[EncodedPair] | None = None,
    stop: Callable[[], bool] = lambda: False,
    log: Callable[[Any, int], None] = lambda metrics, step: None,
) -> Any:
    return phases.train(
        folder,
        models.load_tokenizer(folder),
        recipe,
        checkpoints,
        samples=encoded(folder, made_up(6)),
        test=encoded(folder, made_up(3, seed=9)),
        pairs=encoded_pairs(folder) if given is None else given,
        stop_requested=stop,
        log=log,
        save_steps=2,
    )


@pytest.fixture(scope="module")
def whole(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, list[dict[str, float]], Path]:
    """A run in one go: what it made, what it logged, where its checkpoints are."""
    logged: list[dict[str, float]] = []
    folder = tmp_path_factory.mktemp("whole")
    return train(tiny, folder, log=lambda metrics, step: logged.append(dict(metrics))), logged, folder


def test_the_chosen_answers_gain_on_the_rejected_ones(whole: Any) -> None:
    (model, metrics, figures), logged, _ = whole
    assert (figures.dpo_steps, figures.dpo_pairs) == (6, 8)
    assert figures.dpo_accuracies[1] == 0.0  # the reference is the model itself: nothing has gained yet
    assert figures.dpo_reward_accuracy > 0.8
    assert figures.dpo_reward_margin > 0
    assert figures.dpo_loss_end < figures.dpo_loss_start
    assert list(model.peft_config) == ["default"]  # no copy of the adapters is left to be exported
    assert {"dpo_loss", "dpo_reward_accuracy", "dpo_reward_margin"} <= logged[-1].keys()
    assert metrics.steps == 2


def test_the_loss_is_trls_own_against_the_fine_tuned_model(tiny: Path, whole: Any) -> None:
    """Computed by hand from plain forward passes of the first step's model, which is the reference."""
    import torch

    _, _, folder = whole
    known = phases.checkpoints.tuned(folder, phases.sft.Metrics)
    assert known is not None
    model: Any = models.with_adapters(models.load_model(tiny), RECIPE, known[0]).eval()

    def logp(prompt: list[int], answer: list[int]) -> float:
        with torch.no_grad():
            scores = model(input_ids=torch.tensor([prompt + answer])).logits[0].log_softmax(-1)
        return float(sum(scores[len(prompt) - 1 + place, token] for place, token in enumerate(answer)))

    given = encoded_pairs(tiny)
    kept = msgspec.json.decode((folder / "preference" / "reference.json").read_bytes())
    for pair, (chosen, rejected) in zip(given, kept, strict=True):
        assert chosen == pytest.approx(logp(pair.prompt_ids, pair.chosen_ids), rel=1e-4)
        assert rejected == pytest.approx(logp(pair.prompt_ids, pair.rejected_ids), rel=1e-4)
    means = {-chosen / len(pair.chosen_ids) for pair, (chosen, _) in zip(given, kept, strict=True)}
    first = whole[0].preference.dpo_losses[1] - 0.6931  # -log sigmoid(0)
    assert RECIPE.dpo_sft_weight * min(means) < first < RECIPE.dpo_sft_weight * max(means)


@pytest.mark.parametrize("at_call", [0, 2, 5], ids=["in fine-tuning", "between", "in preference training"])
def test_an_interrupted_run_ends_as_one_in_one_go(tiny: Path, tmp_path: Path, whole: Any, at_call: int) -> None:
    calls = iter(range(100))
    assert train(tiny, tmp_path, stop=lambda: next(calls) == at_call) is None
    model, metrics, figures = train(tiny, tmp_path)
    expected = whole[0]
    assert figures.dpo_losses == pytest.approx(expected.preference.dpo_losses, rel=1e-4)
    assert metrics.test_loss == pytest.approx(expected.metrics.test_loss, rel=1e-4)
    assert same(adapters(model), adapters(expected.model))


class Killed(BaseException):
    """What ends a run at once in these tests, as kill -9 does: nothing of the run's own is told of it."""


def test_a_run_killed_while_it_saved_goes_on_from_the_checkpoint_before(tiny: Path, tmp_path: Path, whole: Any) -> None:
    def kill(metrics: Any, step: int) -> None:
        if "dpo_loss" in metrics and step == 5:
            raise Killed

    with pytest.raises(Killed):
        train(tiny, tmp_path, log=kill)
    newest = tmp_path / "preference" / "checkpoint-4"
    content = (newest / "optimizer.pt").read_bytes()
    (newest / "optimizer.pt").write_bytes(content[: len(content) // 2])
    (newest / "trainer_state.json").unlink()  # it is written last
    model, _, figures = train(tiny, tmp_path)
    assert figures.dpo_losses == pytest.approx(whole[0].preference.dpo_losses, rel=1e-4)
    assert same(adapters(model), adapters(whole[0].model))


def test_a_loss_that_is_not_a_number_ends_preference_training_before_it_is_saved(tiny: Path, tmp_path: Path) -> None:
    wild = msgspec.structs.replace(RECIPE, dpo_sft_weight=float("inf"))
    with pytest.raises(TrainingFailed, match=r"preference step 1 is not a number.*dpo_learning_rate"):
        train(tiny, tmp_path, wild)
    assert not list((tmp_path / "preference").glob("checkpoint-*"))


def test_few_pairs_take_fewer_steps() -> None:
    assert preference.steps_of(msgspec.structs.replace(RECIPE, epochs=2), pairs=3) == 3
    assert preference.steps_of(RECIPE, pairs=1) == 4
    assert preference.steps_of(RECIPE, pairs=1000) == RECIPE.dpo_steps


def test_the_program_reads_the_pairs_and_says_what_they_made(tiny: Path, tmp_path: Path) -> None:
    job = container(tmp_path, tiny, made_up(4), RECIPE, made_up_pairs(4))
    assert run(job, threading.Event())
    manifest = msgspec.json.decode((job.model / "manifest.json").read_bytes())
    assert manifest["preference_version"] == "p1"
    assert (manifest["metrics"]["dpo_pairs"], manifest["metrics"]["steps"]) == (4, 2)
    assert not list((job.model / "adapter").glob("ref*"))


def test_a_recipe_that_asks_for_pairs_without_any_is_told(tiny: Path, tmp_path: Path) -> None:
    job = container(tmp_path, tiny, made_up(2), msgspec.structs.replace(SHORT, dpo_steps=3))
    with pytest.raises(TrainingFailed, match="input channel 'preference' is missing"):
        run(job, threading.Event())
