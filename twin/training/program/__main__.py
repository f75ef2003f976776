"""Entry point of the train program. Exit codes: 0 done, 1 failed (see the failure file), 75 interrupted, resumable."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path
from typing import NamedTuple

from twin.errors import TrainingFailed
from twin.records import utcnow
from twin.training.program import export, models, pairs, phases, samples
from twin.training.program.container import Container
from twin.training.program.experiment import experiment
from twin.training.progress import Progress, report
from twin.training.recipe import Provenance, Recipe, from_hyperparameters

__all__ = ["INTERRUPTED", "main", "run"]

INTERRUPTED = 75
"""sysexits.h calls it EX_TEMPFAIL: run it again."""


def main() -> int:
    """Runs one training job and returns its exit code; the reason of a failure is left for the platform."""
    parser = argparse.ArgumentParser(prog="python -m twin.training.program", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(os.environ.get("SM_ROOT", "/opt/ml")))
    container = Container(parser.parse_args().root)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    container.failure.unlink(missing_ok=True)
    try:
        finished = run(container, stop)
    except BaseException as error:
        container.fail(str(error) or type(error).__name__)
        raise
    return 0 if finished else INTERRUPTED


def run(container: Container, stop: threading.Event) -> bool:
    """Trains and exports; False when `stop` came first, with a checkpoint saved.

    Raises:
        TrainingFailed: The channels do not hold what training needs.
        SettingsError: The hyperparameters do not make a recipe.
    """
    values = container.hyperparameters()
    recipe, provenance = from_hyperparameters(values, Recipe), from_hyperparameters(values, Provenance)
    base, given = container.channel("base"), _read(container, recipe)
    report(Progress(event="loading", detail={"base_model": provenance.base_model}))

    from transformers.utils import logging  # seconds, so only once the input is known to be good

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    tokenizer = models.load_tokenizer(base)
    prepared = samples.prepare(given.train, tokenizer, recipe.max_length, learn_end=recipe.learn_end)
    held_out = samples.fitting(given.test, tokenizer, recipe.max_length)
    preferred = pairs.prepare(given.pairs, tokenizer, recipe.max_length) if recipe.dpo_steps else None
    facts = prepared.facts | (preferred.facts if preferred else {})
    report(Progress(event="prepared", detail=facts))
    with experiment(recipe, provenance, facts, container.root / "output" / "comet") as log:
        outcome = phases.train(
            base,
            tokenizer,
            recipe,
            container.checkpoints,
            samples=prepared.samples,
            test=held_out.samples,
            pairs=preferred.pairs if preferred else (),
            stop_requested=stop.is_set,
            log=log,
            save_steps=int(values.get("save_steps", phases.SAVE_STEPS)),
        )
    if outcome is None:
        report(Progress(event="interrupted"))
        return False
    report(Progress(event="exporting"))
    export.export(
        outcome.model,
        tokenizer,
        base,
        container.model,
        recipe=recipe,
        provenance=provenance,
        metrics=outcome.figures,
        trained_at=utcnow(),
    )
    seconds = round(outcome.metrics.seconds, 1)
    report(Progress(event="done", loss=outcome.metrics.loss_end, detail={"seconds": seconds}))
    return True


class _Given(NamedTuple):
    """What the channels hold."""

    train: list[samples.Sample]
    test: list[samples.Sample]
    pairs: list[pairs.Pair]


def _read(container: Container, recipe: Recipe) -> _Given:
    test, preference = container.optional_channel("test"), container.optional_channel("preference")
    if recipe.dpo_steps and not preference:
        raise TrainingFailed(
            f"The recipe has {recipe.dpo_steps} steps of preference training, and the input channel 'preference' is "
            "missing. Give the job preference pairs, or use a recipe with dpo_steps: 0."
        )
    given = _Given(
        samples.read(container.channel("train")),
        samples.read(test) if test else [],
        pairs.read(preference) if recipe.dpo_steps and preference else [],
    )
    if not given.train:
        raise TrainingFailed("The train channel holds no samples: no *.jsonl file there has a line.")
    return given


if __name__ == "__main__":
    sys.exit(main())
