"""The run's record in Comet, where Comet is configured."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import msgspec

from twin import outside
from twin.settings import CometSettings, read

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

    from twin.training.recipe import Provenance, Recipe

    Log = Callable[[Mapping[str, float], int], None]

__all__ = ["RUN", "RUN_VARIABLE", "experiment"]

RUN = "dagster_run"
"""The name under which an experiment tells the run that asked for it."""
RUN_VARIABLE = "TRAINING_RUN_ID"
"""Tells the program the id of that run."""


@contextlib.contextmanager
def experiment(
    recipe: Recipe, provenance: Provenance, facts: Mapping[str, float | str], offline_folder: Path
) -> Generator[Log]:
    """Yields the function that logs a step's metrics; where the settings name no Comet it drops them.

    When Comet does not answer, the record is kept in `offline_folder` for `comet upload`: no training run is lost to a
    registry that is down.
    """
    settings, server = read(CometSettings), outside.comet()
    if server is None:
        yield lambda metrics, step: None
        return
    from twin.registry import experiments

    offline_folder.mkdir(parents=True, exist_ok=True)
    with experiments.experiment(
        f"train-{provenance.dataset_version[:12]}-{recipe.hash[:8]}",
        url=server.url,
        api_key=server.key,
        workspace=settings.workspace,
        project=settings.project,
        offline_folder=offline_folder,
    ) as running:
        running.log_parameters({**msgspec.structs.asdict(recipe), **msgspec.structs.asdict(provenance), **facts})
        if run_id := os.environ.get(RUN_VARIABLE):
            running.log_other(RUN, run_id)
        yield lambda metrics, step: running.log_metrics(dict(metrics), step=step)
