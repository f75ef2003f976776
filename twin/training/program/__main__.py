"""Entry point of the train program. Exit codes: 0 done, 1 failed (see the failure file), 75 interrupted, resumable."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from twin.errors import TrainingFailed
from twin.records import utcnow
from twin.training.program import export, models, samples, sft
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
    train, test, base = container.channel("train"), container.optional_channel("test"), container.channel("base")
    train_samples, test_samples = samples.read(train), samples.read(test) if test else []
    if not train_samples:
        raise TrainingFailed("The train channel holds no samples: no *.jsonl file there has a line.")
    report(Progress(event="loading", detail={"base_model": provenance.base_model}))

    from transformers.utils import logging  # seconds, so only once the input is known to be good

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    tokenizer = models.load_tokenizer(base)
    prepared = samples.prepare(train_samples, tokenizer, recipe.max_length)
    held_out = samples.fitting(test_samples, tokenizer, recipe.max_length)
    report(Progress(event="prepared", detail=prepared.facts))
    with experiment(recipe, provenance, prepared.facts, container.root / "output" / "comet") as log:
        outcome = sft.fine_tune(
            models.load_model(base, recipe.seed, recipe.quantization),
            tokenizer,
            recipe,
            container.checkpoints,
            train=prepared.samples,
            test=held_out.samples,
            stop_requested=stop.is_set,
            log=log,
            save_steps=int(values.get("save_steps", sft.SAVE_STEPS)),
        )
    if outcome is None:
        report(Progress(event="interrupted"))
        return False
    model, metrics = outcome
    report(Progress(event="exporting"))
    export.export(
        model,
        tokenizer,
        base,
        container.model,
        recipe=recipe,
        provenance=provenance,
        metrics=metrics,
        trained_at=utcnow(),
    )
    report(Progress(event="done", loss=metrics.loss_end, detail={"seconds": round(metrics.seconds, 1)}))
    return True


if __name__ == "__main__":
    sys.exit(main())
