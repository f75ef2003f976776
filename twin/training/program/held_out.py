"""Looks at the held-out loss while a model trains: the adapters of the lowest are kept, and a run that only learns by
heart ends."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

from twin import disk
from twin.errors import TrainingFailed
from twin.training.progress import Progress, report

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from transformers import TrainerCallback, TrainerControl, TrainerState

    from twin.training.program.samples import EncodedSample

__all__ = ["HeldOut", "make_watcher"]

ADAPTERS = "adapters.safetensors"


class HeldOut:
    """The looks of one run. Its state goes into every checkpoint, so that a resumed run decides as one in one go."""

    def __init__(self, samples: list[EncodedSample], folder: Path, *, every: int, patience: int) -> None:
        self.samples = samples
        self.every = every if samples else 0
        self.patience = patience
        self.best: float = math.inf
        self.best_step = 0
        self.losses: dict[int, float] = {}
        """By step."""
        self._folder = folder

    @property
    def worse_looks(self) -> int:
        """How many of the latest looks in a row were not lower than the lowest."""
        return sum(step > self.best_step for step in self.losses)

    @property
    def is_over(self) -> bool:
        return self.worse_looks >= self.patience

    def is_due(self, step: int, steps: int) -> bool:
        """Whether to look now: every so many steps, and at the last."""
        return bool(self.every) and (step % self.every == 0 or step == steps)

    def look(self, model: Any, step: int) -> float:
        """The loss now; keeps the adapters where it is the lowest so far.

        Raises:
            TrainingFailed: It is not a number.
        """
        from twin.training.program.labelled_loss import mean_loss

        loss = mean_loss(model, [(sample.input_ids, sample.labels) for sample in self.samples])
        if not math.isfinite(loss):
            raise TrainingFailed("The held-out loss is not a number: training diverged. Lower the learning rate.")
        self.losses[step] = loss
        if loss < self.best:
            self.best, self.best_step = loss, step
            self._keep(model)
        return loss

    def restore(self, model: Any, last_step: int) -> bool:
        """Puts the kept adapters back, unless the last step's are they; True when it did."""
        if not self.every or self.best_step in (0, last_step):
            return False
        from peft import set_peft_model_state_dict
        from safetensors.torch import load_file

        set_peft_model_state_dict(model, load_file(self._folder / ADAPTERS))
        return True

    def _keep(self, model: Any) -> None:
        from peft import get_peft_model_state_dict
        from safetensors.torch import save

        weights = {name: tensor.contiguous() for name, tensor in get_peft_model_state_dict(model).items()}
        self._folder.mkdir(parents=True, exist_ok=True)
        disk.write(self._folder / ADAPTERS, save(weights))


def make_watcher(held_out: HeldOut, log: Callable[[Mapping[str, float], int], None]) -> TrainerCallback:
    """A callback for the trainer that looks when it is time. The class is made here, as its base class is heavy."""
    from transformers import TrainerCallback
    from transformers.trainer_callback import ExportableState

    class Watcher(TrainerCallback, ExportableState):
        def state(self) -> dict[str, Any]:
            """What a checkpoint keeps; see `Follower`."""
            losses = {str(step): loss for step, loss in held_out.losses.items()}
            kept = {"best": held_out.best, "best_step": held_out.best_step, "losses": losses}
            return {"args": {}, "attributes": kept if losses else {}}

        def on_train_begin(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
            stored = cast("dict[str, Any]", state.stateful_callbacks).get(type(self).__name__, {})
            if kept := stored.get("attributes"):
                held_out.best, held_out.best_step = kept["best"], kept["best_step"]
                held_out.losses = {int(step): loss for step, loss in kept["losses"].items()}

        def on_step_end(
            self, args: Any, state: TrainerState, control: TrainerControl, model: Any = None, **_: Any
        ) -> None:
            if not held_out.is_due(state.global_step, state.max_steps):
                return
            loss = held_out.look(model, state.global_step)
            report(Progress(event="held_out", step=state.global_step, steps=state.max_steps, loss=round(loss, 4)))
            log({"held_out_loss": loss}, state.global_step)
            if held_out.is_over:
                control.should_training_stop = True

    return Watcher()
