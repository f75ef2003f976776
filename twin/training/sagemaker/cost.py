"""What a job will cost, roughly, and what it did."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from twin.aws import prices
from twin.aws.budget import Expense

if TYPE_CHECKING:
    from pathlib import Path

    from twin.aws.prices import Price
    from twin.training.job import TrainingJob
    from twin.training.sagemaker.jobs import JobState

__all__ = ["cost_of", "expected_seconds", "expense_of", "parameters_in"]

OVERHEAD_SECONDS = 300.0
"""Billed besides training: the image and the data come, the model is loaded, merged, exported and stored."""
UTILISATION = 0.3
"""Of a GPU's peak. Measured nowhere yet: see the guide."""
HEADER_BYTES = 8


def expense_of(job: TrainingJob, price: Price, max_seconds: int) -> Expense:
    """What a job costs, before it starts."""
    expected = min(expected_seconds(job, price.instance_type), max_seconds)
    return Expense(
        what=f"Training {job.name} on {price.instance_type}",
        usd_per_hour=price.usd_per_hour,
        expected_usd=price.usd(expected),
        most_usd=price.usd(max_seconds),
    )


def expected_seconds(job: TrainingJob, instance_type: str) -> float:
    """How long a job will be billed for, from the operations that it takes and what one GPU gives.

    A token costs 2 operations a parameter forward and 2 backward (frozen weights need no gradient of their own), and
    2 more where activations are computed again. A preference pair is two answers, each also seen by the reference.
    """
    recipe = job.recipe
    instance = prices.table().training.get(instance_type)
    if instance is None:
        return OVERHEAD_SECONDS
    per_token = (6 if recipe.gradient_checkpointing else 4) * parameters_in(job.base.folder)
    supervised = recipe.max_steps * recipe.batch_size * recipe.gradient_accumulation * recipe.max_length
    preferred = recipe.dpo_steps * recipe.dpo_pairs * recipe.max_length * 2
    return OVERHEAD_SECONDS + (supervised + preferred) * per_token / (instance.tflops * 1e12 * UTILISATION)


def parameters_in(folder: Path) -> int:
    """How many parameters a model in Hugging Face's format has, by the headers of its files."""
    return sum(_parameters(path) for path in folder.glob("*.safetensors"))


def cost_of(state: JobState, price: Price) -> float:
    """What a job has cost; one that still runs is taken at its most. A job that ended before it ran cost nothing."""
    billed = state.max_seconds if state.is_running else state.billed_seconds or 0
    return price.usd(billed)


def _parameters(path: Path) -> int:
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(HEADER_BYTES), "little")))
    return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")
