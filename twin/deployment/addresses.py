"""Where each outside system is: where a setting says, else in the running local stack.

The console serves its stand-ins for Opik and Comet below its own address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from twin import outside
from twin.errors import RegistryUnavailable, ReviewRequired, WarehouseUnavailable
from twin.outside import LOCAL_KEY, Server
from twin.settings import AlertSettings, MongoSettings, read

if TYPE_CHECKING:
    from twin.home import Home

__all__ = [
    "COMET_PATH",
    "OPIK_PATH",
    "asset_page",
    "comet",
    "comet_environment",
    "comet_if_any",
    "console_of",
    "dagster",
    "model_page",
    "mongo_uri",
    "opik_url",
    "review_url",
    "run_page",
]

OPIK_PATH = "/opik/api"
"""The Opik receiver: `OPIK_URL_OVERRIDE=http://127.0.0.1:8001/opik/api`."""

COMET_PATH = "/comet/"
"""The Comet stand-in: `COMET_URL_OVERRIDE=http://127.0.0.1:8001/comet/`."""


def mongo_uri(home: Home) -> str:
    """The warehouse's connection string.

    Raises:
        WarehouseUnavailable: None is set and the local stack does not run.
    """
    uri = read(MongoSettings).uri
    if uri is not None:
        return uri.get_secret_value()
    running = home.service_url("mongod")
    if running is None:
        raise WarehouseUnavailable(
            f"No MongoDB for {home.root}: MONGODB_URI is not set and the local stack does not run. "
            "Start it with `make up`, or set MONGODB_URI."
        )
    return running


def opik_url(home: Home) -> str | None:
    """Opik's API as it is now: the one that the settings name, else the running console's receiver, if there is one."""
    if server := outside.opik():
        return server.url
    console = home.service_url("console")
    return console + OPIK_PATH if console else None


def comet(home: Home) -> Server:
    """Comet as it is now: the one that the settings name, else the running console's stand-in.

    Raises:
        RegistryUnavailable: None is named and the console does not run.
    """
    if server := outside.comet():
        return server
    return Server(url=_console(home, "the model registry") + COMET_PATH, key=LOCAL_KEY, because="the running console")


def comet_if_any(home: Home) -> Server | None:
    """Comet as it is now, or None."""
    try:
        return comet(home)
    except RegistryUnavailable:
        return None


def comet_environment(home: Home) -> dict[str, str]:
    """The variables by which a child process logs its experiment to the same Comet; none where there is no Comet."""
    server = comet_if_any(home)
    if server is None:
        return {}
    return {"COMET_URL_OVERRIDE": server.url, "COMET_API_KEY": server.key or ""}


def review_url(home: Home) -> str:
    """The console whose review page approves models: that of the stand-in which is the registry.

    Raises:
        RegistryUnavailable: It does not run.
        ReviewRequired: The registry is Comet itself, where a person decides on Comet's own page.
    """
    server = comet(home)
    if console := console_of(server):
        return console
    raise ReviewRequired(
        f"The model registry is Comet at {server.url} ({server.because}): a person decides there, in the model's "
        "registry, where each version waits as a request for the status Production. What is approved there is deployed "
        "as usual. This command decides only in the console's own registry."
    )


def console_of(registry: Server) -> str | None:
    """The console whose stand-in for Comet a server is; None for Comet itself."""
    url, path = registry.url.rstrip("/"), COMET_PATH.rstrip("/")
    return url.removesuffix(path) if url.endswith(path) else None


def model_page(home: Home, name: str, version: str) -> str | None:
    """The console's page of a model version; None where the registry is not the console's, or it does not run."""
    try:
        console = review_url(home)
    except (RegistryUnavailable, ReviewRequired):
        return None
    return f"{console}/models/{quote(name, safe='')}/{quote(version, safe='')}"


def dagster(home: Home) -> str | None:
    """Dagster's web server; None where nobody knows where it is."""
    return read(AlertSettings).dagster_url or home.service_url("dagster")


def run_page(home: Home, run_id: str) -> str | None:
    """The Dagster UI's page of a run; None where nobody knows where the UI is."""
    url = dagster(home)
    return f"{url.rstrip('/')}/runs/{run_id}" if url else None


def asset_page(home: Home, asset: str) -> str | None:
    """The Dagster UI's page of an asset; None where nobody knows where the UI is."""
    url = dagster(home)
    return f"{url.rstrip('/')}/assets/{asset}" if url else None


def _console(home: Home, what: str) -> str:
    url = home.service_url("console")
    if url is None:
        raise RegistryUnavailable(f"The console, which holds {what}, does not run. Start it with `make up`.")
    return url
