"""Experiments at Comet or its stand-in, and whether one answers there at all.

The `comet_ml` SDK takes 2 to 4 s to import, so it is imported when an experiment begins.
"""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from twin import http_clients
from twin.errors import RegistryUnavailable

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from comet_ml import CometExperiment

__all__ = ["REACH_SECONDS", "experiment", "reachable", "root_of", "unreachable"]

logger = logging.getLogger(__name__)

REACH_SECONDS = 1.4
SDK_ENVIRONMENT = {
    "COMET_DISABLE_AUTO_LOGGING": "1",
    "COMET_LOGGING_CONSOLE": "WARNING",
}


@contextmanager
def experiment(
    name: str,
    *,
    url: str,
    api_key: str | None,
    workspace: str | None,
    project: str = "llm-twin",
    offline_folder: Path | None = None,
) -> Generator[CometExperiment]:
    """A running Comet experiment that ends, with everything sent, when the block ends.

    When Comet does not answer, the experiment is written to a zip file in `offline_folder` instead, and a warning says
    so: `comet upload FILE` sends it later. Started unguarded, the SDK would block for half a minute and then drop
    everything.

    Raises:
        RegistryUnavailable: Comet does not answer and there is no `offline_folder`.
    """
    online = reachable(url)
    if not online and offline_folder is None:
        raise RegistryUnavailable(unreachable(url))
    http_clients.spare_proxy(url)
    os.environ.update({**SDK_ENVIRONMENT, **os.environ, "COMET_URL_OVERRIDE": url})
    import comet_ml  # 2 to 4 s, and it reads the variables above when it is imported

    config = comet_ml.ExperimentConfig(
        name=name,
        offline_directory=str(offline_folder) if offline_folder else None,
        display_summary_level=0,
        log_code=False,
        log_graph=False,
        log_git_metadata=False,
        log_git_patch=False,
        log_env_details=False,
        parse_args=False,
        auto_output_logging="",
    )
    if not online:
        logger.warning(
            "%s The experiment %r is kept in %s; send it later with `comet upload`.",
            unreachable(url),
            name,
            offline_folder,
        )
    running = comet_ml.start(
        api_key=api_key,
        workspace=workspace,
        project_name=project,
        online=online,
        mode="create",
        experiment_config=config,
    )
    try:
        yield running
    finally:
        running.end()


def reachable(url: str) -> bool:
    """Whether a Comet server answers there, learned within 3 s."""
    try:
        version_url = root_of(url) + "/clientlib/isAlive/ver"
        answer = http_clients.request("GET", version_url, timeout=REACH_SECONDS, headers={"Authorization": "-"})
    except httpx.HTTPError:
        return False
    return answer.is_success


def root_of(url: str) -> str:
    """Scheme and host, which is all of COMET_URL_OVERRIDE that the REST endpoints go by."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def unreachable(url: str) -> str:
    """What to tell and what to do when nobody answers at `url`."""
    return f"The model registry at {url} does not answer. Run `make up` for the local one; else see COMET_URL_OVERRIDE."
