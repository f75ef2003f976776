"""What happens at each step of a training run: it is reported and logged, and the run ends when that was asked for."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from twin.errors import TrainingFailed
from twin.training.progress import Progress, report

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from transformers import TrainerCallback, TrainerControl, TrainerState

__all__ = ["PREFERENCE", "SUPERVISED", "Pace", "Phase", "make_follower"]


class Phase(NamedTuple):
    """A part of a run with steps, a loss and a learning rate of its own."""

    event: str
    """What its steps are reported as."""
    prefix: str
    """Of its metrics' names."""
    rate: str
    """Where its learning rate is set."""
    figures: Mapping[str, str] = {}
    """What it measures at each step besides the loss: the trainer's name of it, and ours."""


SUPERVISED = Phase("step", "", "TRAINING_LEARNING_RATE, or the recipe's")
PREFERENCE = Phase(
    "preference_step",
    "dpo_",
    "dpo_learning_rate in the recipe",
    {"rewards/accuracies": "reward_accuracy", "rewards/margins": "reward_margin"},
)
"""The accuracy is the share of pairs whose chosen answer gained more over the reference than the rejected one; the
margin is by how much, in nats times beta."""


class Pace:
    """The time that training takes, over all attempts of a run."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.elapsed = 0.0
        """Seconds of training."""
        self._clock = clock
        self._last = clock()
        self._tokens = 0

    def begin(self, elapsed: float, tokens: int) -> None:
        """An attempt starts where earlier ones, of so many seconds and tokens, left off."""
        self.elapsed, self._tokens, self._last = elapsed, tokens, self._clock()

    def step(self, tokens: int) -> float:
        """A step ended, `tokens` into the run; returns the tokens per second of this step."""
        now = self._clock()
        seconds, self._last = now - self._last, now
        done, self._tokens = tokens - self._tokens, tokens
        self.elapsed += seconds
        return done / seconds if seconds else 0.0

    def remaining(self, step: int, steps: int) -> float:
        """Seconds until the last step, if all go on as until now."""
        return self.elapsed / step * (steps - step)


def make_follower(
    pace: Pace,
    stop_requested: Callable[[], bool],
    log: Callable[[Mapping[str, float], int], None],
    phase: Phase = SUPERVISED,
) -> TrainerCallback:
    """A callback for the trainer. The class is made here because its base class costs seconds to import."""
    from transformers import TrainerCallback
    from transformers.trainer_callback import ExportableState

    class Follower(TrainerCallback, ExportableState):
        def state(self) -> dict[str, Any]:
            """What a checkpoint keeps; `on_train_begin` takes it back.

            The trainer's own way of restoring callbacks also restores its control flags, and after an interruption
            those say that training should stop.
            """
            return {"args": {}, "attributes": {"elapsed": pace.elapsed}}

        def on_train_begin(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
            stored = cast("dict[str, Any]", state.stateful_callbacks)  # declared as a list, kept as a dict
            elapsed = stored.get(type(self).__name__, {}).get("attributes", {}).get("elapsed", 0.0)
            pace.begin(elapsed, int(state.num_input_tokens_seen))

        def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
            if stop_requested():
                control.should_save = control.should_training_stop = True

        def on_log(
            self,
            args: Any,
            state: TrainerState,
            control: TrainerControl,
            logs: dict[str, float] | None = None,
            **_: Any,
        ) -> None:
            if not logs or "loss" not in logs:
                return
            if not math.isfinite(logs["loss"]):  # told before the step is saved
                raise TrainingFailed(
                    f"The loss of {phase.event.replace('_', ' ')} {state.global_step} is not a number: training "
                    f"diverged. Lower the learning rate ({phase.rate})."
                )
            figures = {ours: logs[theirs] for theirs, ours in phase.figures.items() if theirs in logs}
            speed = pace.step(int(state.num_input_tokens_seen))
            report(
                Progress(
                    event=phase.event,
                    step=state.global_step,
                    steps=state.max_steps,
                    loss=logs["loss"],
                    tokens_per_second=round(speed, 1),
                    eta_seconds=round(pace.remaining(state.global_step, state.max_steps), 1),
                    detail={name: round(value, 3) for name, value in figures.items()},
                )
            )
            kept = {"loss": logs["loss"], "learning_rate": logs["learning_rate"], "tokens_per_second": speed}
            log({f"{phase.prefix}{name}": value for name, value in (kept | figures).items()}, state.global_step)

    return Follower()
