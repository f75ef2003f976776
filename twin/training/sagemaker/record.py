"""A job's record in Comet, kept by whoever follows the job: its container has neither the network nor a key."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from twin.training.program.experiment import recording
from twin.training.program.follower import PREFERENCE, SUPERVISED

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from twin.outside import Server
    from twin.training.job import TrainingJob
    from twin.training.progress import Progress

__all__ = ["record_of"]

PREFIXES = {phase.event: phase.prefix for phase in (SUPERVISED, PREFERENCE)}


@contextlib.contextmanager
def record_of(job: TrainingJob, server: Server | None, folder: Path) -> Generator[Callable[[Progress], None]]:
    """Yields what is told of each progress. The experiment begins with the first facts, since the SDK takes seconds."""
    with contextlib.ExitStack() as stack:
        logs: list[Callable[[dict[str, float], int], None]] = []

        def note(progress: Progress) -> None:
            if progress.event == "prepared" and not logs:
                opened = recording(server, job.recipe, job.provenance, progress.detail, folder, run_id=job.run_id)
                logs.append(stack.enter_context(opened))
            elif logs and progress.step is not None and progress.loss is not None:
                for log in logs:
                    log(_metrics(progress, progress.loss), progress.step)

        yield note


def _metrics(progress: Progress, loss: float) -> dict[str, float]:
    prefix = PREFIXES.get(progress.event)
    if prefix is None:
        return {f"{progress.event}_loss": loss}
    figures = {name: float(value) for name, value in progress.detail.items() if isinstance(value, int | float)}
    speed = {} if progress.tokens_per_second is None else {"tokens_per_second": progress.tokens_per_second}
    return {f"{prefix}{name}": value for name, value in {"loss": loss, **speed, **figures}.items()}
