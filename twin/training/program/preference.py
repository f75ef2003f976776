"""Preference training (DPO, Rafailov et al. 2023, arXiv:2305.18290) of adapters that are fine-tuned already, with TRL.

The reference is the fine-tuned model itself: what it thinks of both answers of every pair is computed once, before the
first step, and kept beside the checkpoints. Beside the preference loss stands the chosen answer's own loss (Pang et al.
2024, arXiv:2404.19733), which keeps a small model from forgetting how to answer.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, cast

import msgspec

from twin import disk
from twin.training.program.checkpoints import KEPT, last_checkpoint
from twin.training.program.follower import PREFERENCE, Pace, make_follower
from twin.training.progress import Progress, report

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from datasets import Dataset
    from peft import PeftModel
    from transformers import PreTrainedTokenizerBase, TrainerCallback
    from trl import DPOTrainer

    from twin.training.program.pairs import EncodedPair
    from twin.training.recipe import Recipe

__all__ = ["PreferenceMetrics", "preference_train", "steps_of"]

REFERENCE = "reference.json"


class PreferenceMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """How preference training went."""

    dpo_steps: int
    dpo_pairs: int
    """Pairs trained on."""
    dpo_seconds: float
    """Over all attempts."""
    dpo_tokens: int
    """Tokens processed, prompts included, padding too."""
    dpo_loss_start: float
    """The mean of the first three steps, the chosen answer's own loss included."""
    dpo_loss_end: float
    """The mean of the last three."""
    dpo_reward_accuracy: float
    """Share of the pairs of the last three steps whose chosen answer gained more than the rejected one."""
    dpo_reward_margin: float
    """By how much, in nats times beta, on average over the same steps."""
    dpo_losses: dict[int, float]
    """By step."""
    dpo_accuracies: dict[int, float]
    """By step."""


def steps_of(recipe: Recipe, pairs: int) -> int:
    """How many steps a recipe takes with so many pairs."""
    return min(recipe.dpo_steps, max(1, math.ceil(recipe.epochs * pairs / recipe.dpo_pairs)))


def preference_train(
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    recipe: Recipe,
    checkpoints: Path,
    *,
    pairs: Sequence[EncodedPair],
    stop_requested: Callable[[], bool],
    log: Callable[[Mapping[str, float], int], None],
    save_steps: int,
) -> tuple[PeftModel, PreferenceMetrics] | None:
    """Trains from the last whole checkpoint in `checkpoints`, or from the model as it is given.

    Args:
        model: With the adapters of supervised fine-tuning, which are the reference; also when a run goes on.

    Returns the model and how it went, or None when `stop_requested` became true: then a checkpoint of the last step is
    in `checkpoints`.

    Raises:
        TrainingFailed: The loss became infinite or not a number.
    """
    pace = Pace()
    steps = steps_of(recipe, len(pairs))
    used = pairs[: steps * recipe.dpo_pairs]
    follower = make_follower(pace, stop_requested, log, PREFERENCE)
    trainer = _trainer(model, tokenizer, recipe, checkpoints, used, steps, follower, save_steps)
    checkpoint = last_checkpoint(checkpoints)
    if checkpoint:
        report(Progress(event="resumed", detail={"preference_step": int(checkpoint.name.rpartition("-")[2])}))
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if trainer.state.global_step < steps:
        return None
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    losses, accuracies, margins = (
        {int(entry["step"]): float(entry[name]) for entry in history}
        for name in ("loss", "rewards/accuracies", "rewards/margins")
    )
    return cast("PeftModel", trainer.model), PreferenceMetrics(
        dpo_steps=steps,
        dpo_pairs=len(used),
        dpo_seconds=pace.elapsed,
        dpo_tokens=int(trainer.state.num_input_tokens_seen),
        dpo_loss_start=fmean(list(losses.values())[:3]),
        dpo_loss_end=fmean(list(losses.values())[-3:]),
        dpo_reward_accuracy=fmean(list(accuracies.values())[-3:]),
        dpo_reward_margin=fmean(list(margins.values())[-3:]),
        dpo_losses=losses,
        dpo_accuracies=accuracies,
    )


def _trainer(
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    recipe: Recipe,
    checkpoints: Path,
    pairs: Sequence[EncodedPair],
    steps: int,
    follower: TrainerCallback,
    save_steps: int,
) -> DPOTrainer:
    import torch
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import DPOConfig

    on_gpu = torch.cuda.is_available()
    trainer = preference_trainer()(
        model=model,
        processing_class=tokenizer,
        args=DPOConfig(
            output_dir=str(checkpoints),
            per_device_train_batch_size=1,  # two sequences; what a step is made of is accumulated
            gradient_accumulation_steps=recipe.dpo_pairs,
            learning_rate=recipe.dpo_learning_rate,
            lr_scheduler_type="cosine",
            max_steps=steps,
            warmup_steps=round(recipe.warmup_ratio * steps),
            beta=recipe.dpo_beta,
            loss_type=["sigmoid", "sft"],
            loss_weights=[1.0, recipe.dpo_sft_weight],
            precompute_ref_log_probs=True,
            max_length=None,  # what is too long was left out whole
            pad_to_multiple_of=None,
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
            bf16=on_gpu and torch.cuda.is_bf16_supported(),
            gradient_checkpointing=recipe.gradient_checkpointing,
            dataloader_pin_memory=on_gpu,
        ),
        train_dataset=Dataset.from_list([msgspec.structs.asdict(pair) for pair in pairs]),
        callbacks=[follower],
    )
    trainer.remove_callback(PrinterCallback)  # the follower reports each step
    model.delete_adapter("ref")  # TRL's copy of the adapters; with the reference known it would only be saved
    return trainer


@functools.cache
def preference_trainer() -> type[DPOTrainer]:
    """TRL's trainer, with tokens and a reference that a run keeps. Made here, as its base class is slow to import."""
    import torch
    from trl import DPOTrainer

    class PreferenceTrainer(DPOTrainer):
        def _prepare_dataset(self, dataset: Any, processing_class: Any, args: Any, dataset_name: str) -> Any:
            """As it is: the pairs are tokens already, of a prompt and an answer that share none."""
            return dataset

        def _precompute_ref_logps(self, dataset: Dataset, name: str, batch_size: int) -> Dataset:
            """Log-probabilities of both answers under the reference: those of an earlier attempt, else computed now.

            TRL would keep them in a temporary folder, which a killed run leaves behind and the next one cannot find.
            """
            kept = Path(str(self.args.output_dir), REFERENCE)
            known = msgspec.json.decode(kept.read_bytes(), type=list[tuple[float, float]]) if kept.is_file() else []
            if len(known) != len(dataset):
                known = [self._reference(row) for row in dataset]
                disk.write(kept, msgspec.json.encode(known))
            chosen, rejected = zip(*known, strict=True)
            # torch keeps them as float32: what is trained with is then the same before and after a restart
            return dataset.add_column("ref_chosen_logps", list(chosen)).add_column("ref_rejected_logps", list(rejected))

        def _reference(self, row: Any) -> tuple[float, float]:
            collate: Any = self.data_collator
            batch = {name: tensor.to(self.args.device) for name, tensor in collate([row]).items()}
            with torch.no_grad():
                chosen, rejected = self.compute_ref_log_probs(self.model, batch)
            return float(chosen), float(rejected)

    return PreferenceTrainer
