"""Supervised fine-tuning of LoRA adapters with TRL: resumable, interruptible, and it says how far it is."""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING, cast

import msgspec

from twin.training.program.checkpoints import KEPT, last_checkpoint
from twin.training.program.follower import Pace, make_follower
from twin.training.program.held_out import HeldOut, make_watcher
from twin.training.program.labelled_loss import labelled_trainer
from twin.training.program.models import adapter_config
from twin.training.progress import Progress, report

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from datasets import Dataset
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback
    from trl import SFTTrainer

    from twin.training.program.samples import EncodedSample
    from twin.training.recipe import Recipe

__all__ = ["Metrics", "evenly", "fine_tune"]


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """How a run went."""

    steps: int
    loss_start: float
    """The mean of the first three steps: one step's loss is one sequence's."""
    loss_end: float
    """The mean of the last three."""
    tokens: int
    """Tokens processed, prompts included, over all attempts of the run."""
    seconds: float
    """Training time over all attempts, without loading and export."""
    test_loss: float | None = None
    """Mean loss of the completions of the test channel, where there is one."""
    kept_step: int = 0
    """The step whose adapters were kept: that of the lowest held-out loss, where the recipe looks at it."""
    losses: dict[int, float] = {}
    """The training loss by step."""
    held_out_losses: dict[int, float] = {}
    """The held-out loss by the steps at which the recipe looks."""

    @property
    def tokens_per_second(self) -> float:
        return round(self.tokens / self.seconds, 1) if self.seconds else 0.0


def fine_tune(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    recipe: Recipe,
    checkpoints: Path,
    *,
    train: list[EncodedSample],
    test: list[EncodedSample],
    stop_requested: Callable[[], bool],
    log: Callable[[Mapping[str, float], int], None],
    save_steps: int,
) -> tuple[PeftModel, Metrics] | None:
    """Trains from the last whole checkpoint, or from the start.

    Returns the model with its adapters and the run's metrics, or None when `stop_requested` became true: then a
    checkpoint of the last step is in `checkpoints`.

    Raises:
        TrainingFailed: The loss became infinite or not a number, or the machine cannot do what the recipe asks for.
    """
    pace = Pace()
    held_out = HeldOut(
        evenly(test, recipe.eval_samples), checkpoints / "best", every=recipe.eval_every, patience=recipe.patience
    )
    callbacks = [make_follower(pace, stop_requested, log), make_watcher(held_out, log)]
    trainer = _trainer(model, tokenizer, recipe, checkpoints, train, test, callbacks, save_steps)
    steps = _schedule(trainer, recipe)
    checkpoint = last_checkpoint(checkpoints)
    if checkpoint:
        report(Progress(event="resumed", detail={"step": int(checkpoint.name.rpartition("-")[2])}))
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    done = trainer.state.global_step
    if done < steps and not held_out.is_over:
        return None
    adapted = cast("PeftModel", trainer.model)
    if held_out.restore(adapted, done):
        report(Progress(event="restored", step=held_out.best_step, steps=steps, loss=round(held_out.best, 4)))
    curve = {int(entry["step"]): float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry}
    losses = list(curve.values())
    metrics = Metrics(
        steps=done,
        loss_start=fmean(losses[:3]),
        loss_end=fmean(losses[-3:]),
        tokens=int(trainer.state.num_input_tokens_seen),
        seconds=pace.elapsed,
        test_loss=trainer.evaluate()["eval_loss"] if test else None,
        kept_step=held_out.best_step or done,
        losses=curve,
        held_out_losses=held_out.losses,
    )
    return adapted, metrics


def evenly(samples: list[EncodedSample], count: int) -> list[EncodedSample]:
    """At most `count` samples, spread over the list."""
    stride = max(1, len(samples) / count)
    return [samples[int(i * stride)] for i in range(min(count, len(samples)))]


def _trainer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    recipe: Recipe,
    checkpoints: Path,
    train: list[EncodedSample],
    test: list[EncodedSample],
    callbacks: list[TrainerCallback],
    save_steps: int,
) -> SFTTrainer:
    import torch
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import SFTConfig, SFTTrainer

    def dataset(samples: list[EncodedSample]) -> Dataset | None:
        return Dataset.from_list([msgspec.structs.asdict(sample) for sample in samples]) if samples else None

    on_gpu = torch.cuda.is_available()
    trainer = (SFTTrainer if on_gpu else labelled_trainer())(
        model=model,
        processing_class=tokenizer,
        args=SFTConfig(
            output_dir=str(checkpoints),
            per_device_train_batch_size=recipe.batch_size,
            per_device_eval_batch_size=1,
            gradient_accumulation_steps=recipe.gradient_accumulation,
            learning_rate=recipe.learning_rate,
            lr_scheduler_type="cosine",
            max_length=recipe.max_length,
            packing=True,
            packing_strategy="bfd",  # whole samples only; each attends to itself alone
            seed=recipe.seed,
            data_seed=recipe.seed,
            save_steps=save_steps,
            save_total_limit=KEPT,
            include_num_input_tokens_seen="all",
            logging_steps=1,
            logging_nan_inf_filter=False,
            report_to="none",
            disable_tqdm=True,
            use_cpu=not on_gpu,
            bf16=on_gpu and torch.cuda.is_bf16_supported(),  # on a CPU without it, bf16 is a hundred times slower
            gradient_checkpointing=recipe.gradient_checkpointing,
            dataloader_pin_memory=on_gpu,
        ),
        train_dataset=dataset(train),
        eval_dataset=dataset(test),
        peft_config=adapter_config(recipe),
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)  # the follower reports each step
    return trainer


def _schedule(trainer: SFTTrainer, recipe: Recipe) -> int:
    """Sets how many steps the run has, now that the samples are packed, and returns them."""
    sequences = len(cast("Dataset", trainer.train_dataset))
    per_step = recipe.batch_size * recipe.gradient_accumulation
    steps = min(recipe.max_steps, max(1, math.ceil(recipe.epochs * sequences / per_step)))
    trainer.args.max_steps = steps
    trainer.args.warmup_steps = round(recipe.warmup_ratio * steps)
    return steps
