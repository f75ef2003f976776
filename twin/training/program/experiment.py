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
    from contextlib import AbstractContextManager
    from pathlib import Path

    from twin.training.recipe import Provenance, Recipe

    Log = Callable[[Mapping[str, float], int], None]

__all__ = ["RUN", "RUN_VARIABLE", "experiment", "recording"]

RUN = "dagster_run"
"""The name under which an experiment tells the run that asked for it."""
RUN_VARIABLE = "TRAINING_RUN_ID"
"""Tells the program the id of that run."""


def experiment(
    recipe: Recipe, provenance: Provenance, facts: Mapping[str, float | str], offline_folder: Path
) -> AbstractContextManager[Log]:
    """The record of the run that this process is, at the Comet that the settings name; see `recording`."""
    return recording(outside.comet(), recipe, provenance, facts, offline_folder, run_id=os.environ.get(RUN_VARIABLE))


@contextlib.contextmanager
def recording(
    server: outside.Server | None,
    recipe: Recipe,
    provenance: Provenance,
    facts: Mapping[str, float | str],
    offline_folder: Path,
    *,
    run_id: str | None,
) -> Generator[Log]:
    """Yields the function that logs a step's metrics; where there is no Comet it drops them.

    When Comet does not answer, the record is kept in `offline_folder` for `comet upload`: no training run is lost to a
    registry that is down.
    """
    if server is None:
        yield lambda metrics, step: None
        return
    from twin.registry import experiments

    settings = read(CometSettings)
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
        if run_id:
            running.log_other(RUN, run_id)
        yield lambda metrics, step: running.log_metrics(dict(metrics), step=step)
