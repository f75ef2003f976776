"""Training on a tiny random model: the loss is TRL's own, runs end when nothing is gained, and bad input is told."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.integration.tiny_model import SHORT, adapters, container, encoded, made_up, same
from twin.errors import TrainingFailed
from twin.training.program import models, samples, sft
from twin.training.program.__main__ import run
from twin.training.program.labelled_loss import mean_loss
from twin.training.program.samples import IGNORED
from twin.training.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from twin.training.program.samples import Sample


def train(
    folder: Path,
    checkpoints: Path,
    recipe: Recipe,
    given: list[Sample],
    test: list[Sample] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Any:
    return sft.fine_tune(
        models.load_model(folder, recipe.seed),
        models.load_tokenizer(folder),
        recipe,
        checkpoints,
        train=encoded(folder, given),
        test=encoded(folder, test or []),
        stop_requested=stop,
        log=lambda metrics, step: None,
        save_steps=2,
    )


def test_losses_and_adapters_are_those_of_plain_trl(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trl import SFTTrainer

    given = made_up(12)
    ours, metrics = train(tiny, tmp_path / "ours", SHORT, given, test=made_up(3, seed=1))
    monkeypatch.setattr(sft, "labelled_trainer", lambda: SFTTrainer)
    theirs, expected = train(tiny, tmp_path / "theirs", SHORT, given, test=made_up(3, seed=1))

    assert metrics.losses == pytest.approx(expected.losses, rel=1e-4)
    assert metrics.test_loss == pytest.approx(expected.test_loss, rel=1e-4)
    assert metrics.tokens == expected.tokens
    assert same(adapters(ours), adapters(theirs))


def test_the_loss_of_a_sample_is_that_of_a_plain_forward_pass(tiny: Path, tmp_path: Path) -> None:
    import torch

    model, _ = train(tiny, tmp_path, SHORT, made_up(6))
    sample = encoded(tiny, made_up(1, seed=5))[0]
    labels = torch.tensor([sample.labels])
    with torch.no_grad():
        plain = model.eval()(input_ids=torch.tensor([sample.input_ids]), labels=labels).loss
    assert mean_loss(model, [(sample.input_ids, sample.labels)]) == pytest.approx(float(plain), rel=1e-4)
    assert sum(label != IGNORED for label in sample.labels) == 13  # twelve words and the end of the turn


def test_a_run_that_only_learns_by_heart_ends_and_keeps_the_best_it_was(tiny: Path, tmp_path: Path) -> None:
    recipe = Recipe(
        max_steps=60, epochs=60, max_length=96, learning_rate=5e-2, eval_every=1, eval_samples=3, patience=3, lora_r=4
    )
    _, metrics = train(tiny, tmp_path, recipe, made_up(3), test=made_up(3, seed=9))
    assert metrics.steps < 60
    lowest = min(metrics.held_out_losses.values())
    assert metrics.held_out_losses[metrics.kept_step] == lowest
    assert metrics.steps == metrics.kept_step + 3
    assert metrics.test_loss == pytest.approx(lowest, rel=1e-3)  # of the adapters that were kept


def test_an_interrupted_run_looks_and_ends_as_one_in_one_go(tiny: Path, tmp_path: Path) -> None:
    recipe = Recipe(
        max_steps=8, epochs=60, max_length=96, learning_rate=5e-3, eval_every=2, eval_samples=3, patience=9, lora_r=4
    )
    given, test = made_up(6), made_up(3, seed=9)
    whole, expected = train(tiny, tmp_path / "whole", recipe, given, test)
    calls = iter(range(100))
    assert train(tiny, tmp_path / "cut", recipe, given, test, stop=lambda: next(calls) == 4) is None
    resumed, metrics = train(tiny, tmp_path / "cut", recipe, given, test)
    assert metrics.held_out_losses == pytest.approx(expected.held_out_losses, rel=1e-4)
    assert metrics.losses == pytest.approx(expected.losses, rel=1e-4)
    assert same(adapters(whole), adapters(resumed))


def test_epochs_end_a_run_before_its_steps_do(tiny: Path, tmp_path: Path) -> None:
    recipe = Recipe(max_steps=50, epochs=2, max_length=96, eval_every=0, lora_r=4)
    given = made_up(5, words=60)  # longer than half a sequence: none shares one
    _, metrics = train(tiny, tmp_path, recipe, given)
    assert metrics.steps == 10


@pytest.mark.parametrize("given", [made_up(1), made_up(1) * 8], ids=["one sample", "all equal"])
def test_little_to_learn_from_is_learned(tiny: Path, tmp_path: Path, given: list[Sample]) -> None:
    _, metrics = train(tiny, tmp_path, msgspec.structs.replace(SHORT, epochs=6, max_steps=6), given)
    assert metrics.steps == 6
    assert metrics.loss_end < metrics.loss_start


def test_a_sample_of_100_000_tokens_is_left_out_and_the_others_are_learned(tiny: Path) -> None:
    long = made_up(1, words=100_000)
    prepared = samples.prepare([*long, *made_up(3)], models.load_tokenizer(tiny), 96)
    assert (len(prepared.samples), prepared.too_long) == (3, 1)


def test_a_loss_that_is_not_a_number_ends_the_run_before_it_is_saved(tiny: Path, tmp_path: Path) -> None:
    import torch

    model = models.load_model(tiny)
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingFailed, match=r"loss of step 1 is not a number.*learning rate"):
        sft.fine_tune(
            model,
            models.load_tokenizer(tiny),
            SHORT,
            tmp_path,
            train=encoded(tiny, made_up(3)),
            test=[],
            stop_requested=lambda: False,
            log=lambda metrics, step: None,
            save_steps=1,
        )
    assert not list(tmp_path.glob("checkpoint-*"))


@pytest.mark.parametrize(
    ("file", "reason"),
    [("model.safetensors", "holds no whole model"), ("config.json", "config"), ("tokenizer.json", "tokenizer")],
)
def test_a_base_model_that_lacks_a_file_is_told(tiny: Path, tmp_path: Path, file: str, reason: str) -> None:
    job = container(tmp_path, tiny, made_up(2))
    (job.channel("base") / file).unlink()
    with pytest.raises(TrainingFailed, match=reason):
        run(job, threading.Event())
    assert not list(job.model.glob("*"))


def test_torn_weights_of_the_base_are_told(tiny: Path, tmp_path: Path) -> None:
    job = container(tmp_path, tiny, made_up(2))
    weights = job.channel("base") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    with pytest.raises(TrainingFailed, match="holds no whole model"):
        run(job, threading.Event())


def test_a_tokenizer_without_a_chat_template_is_told(tiny: Path, tmp_path: Path) -> None:
    job = container(tmp_path, tiny, made_up(2))
    (job.channel("base") / "chat_template.jinja").unlink()
    with pytest.raises(TrainingFailed, match="no tokenizer with a chat template"):
        run(job, threading.Event())


def test_four_bits_without_a_gpu_are_refused(tiny: Path) -> None:
    with pytest.raises(TrainingFailed, match="quantization: nf4, which needs a GPU"):
        models.load_model(tiny, quantization="nf4")
