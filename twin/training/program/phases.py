"""The phases of a run: supervised fine-tuning, then preference training where the recipe asks for it.

What the first phase made is kept as soon as it is done, and the second always begins with the base model read anew and
those adapters: a run that was killed between the two, or in the second, ends as one in one go.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from twin.training.program import checkpoints, models, preference, sft
from twin.training.program.labelled_loss import mean_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from peft import PeftModel
    from transformers import PreTrainedTokenizerBase

    from twin.training.program.pairs import EncodedPair
    from twin.training.program.preference import PreferenceMetrics
    from twin.training.program.samples import EncodedSample
    from twin.training.recipe import Recipe

__all__ = ["SAVE_STEPS", "Outcome", "train"]

SAVE_STEPS = 5
PREFERENCE = "preference"
"""The folder of the second phase's checkpoints."""


class Outcome(NamedTuple):
    """What a run made."""

    model: PeftModel
    metrics: sft.Metrics
    preference: PreferenceMetrics | None = None

    @property
    def figures(self) -> dict[str, Any]:
        """The metrics of all phases by name."""
        return msgspec.structs.asdict(self.metrics) | (
            msgspec.structs.asdict(self.preference) if self.preference else {}
        )


def train(
    base: Path,
    tokenizer: PreTrainedTokenizerBase,
    recipe: Recipe,
    folder: Path,
    *,
    samples: list[EncodedSample],
    test: list[EncodedSample],
    pairs: Sequence[EncodedPair] = (),
    stop_requested: Callable[[], bool],
    log: Callable[[Mapping[str, float], int], None],
    save_steps: int = SAVE_STEPS,
) -> Outcome | None:
    """Trains from where an earlier attempt in `folder` left off, or from the base model.

    Returns what was made, or None when `stop_requested` became true: then it is saved how far the run is.

    Raises:
        TrainingFailed: A loss became infinite or not a number, or the machine cannot do what the recipe asks for.
    """
    done = checkpoints.tuned(folder, sft.Metrics) if recipe.dpo_steps else None
    if done is None:
        outcome = sft.fine_tune(
            models.load_model(base, recipe.seed, recipe.quantization),
            tokenizer,
            recipe,
            folder,
            train=samples,
            test=test,
            stop_requested=stop_requested,
            log=log,
            save_steps=save_steps,
        )
        if outcome is None or not recipe.dpo_steps:
            return Outcome(*outcome) if outcome else None
        done = checkpoints.keep_tuned(folder, *outcome)
        if stop_requested():
            return None
        del outcome  # a GPU may have room for one model
        gc.collect()
    weights, metrics = done
    preferred = preference.preference_train(
        models.with_adapters(models.load_model(base, recipe.seed, recipe.quantization), recipe, weights),
        tokenizer,
        recipe,
        folder / PREFERENCE,
        pairs=pairs,
        stop_requested=stop_requested,
        log=log,
        save_steps=save_steps,
    )
    if preferred is None:
        return None
    model, figures = preferred
    loss = mean_loss(model, [(sample.input_ids, sample.labels) for sample in test]) if test else None
    return Outcome(model, msgspec.structs.replace(metrics, test_loss=loss), figures)
