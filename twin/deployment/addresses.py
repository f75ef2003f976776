"""Where each outside system is: where a setting says, else in the running local stack.

The console serves its stand-ins for Opik and Comet below its own address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.errors import RegistryUnavailable, WarehouseUnavailable
from twin.settings import CometSettings, MongoSettings, OpikSettings, read

if TYPE_CHECKING:
    from twin.home import Home

__all__ = ["COMET_PATH", "LOCAL_KEY", "OPIK_PATH", "comet_url", "mongo_uri", "opik_url", "review_url"]

OPIK_PATH = "/opik/api"
"""The Opik receiver: `OPIK_URL_OVERRIDE=http://127.0.0.1:8001/opik/api`."""

COMET_PATH = "/comet/"
"""The Comet stand-in: `COMET_URL_OVERRIDE=http://127.0.0.1:8001/comet/`."""

LOCAL_KEY = "local-console-key"
"""The stand-ins take any key; the SDKs want one."""


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
    """Opik's API as it is now: `OPIK_URL_OVERRIDE`, else the running console's receiver, if there is one."""
    if url := read(OpikSettings).url:
        return url
    console = home.service_url("console")
    return console + OPIK_PATH if console else None


def comet_url(home: Home) -> str:
    """Comet as COMET_URL_OVERRIDE would name it.

    Raises:
        RegistryUnavailable: None is set and the console does not run.
    """
    return read(CometSettings).url or _console(home, "the model registry") + COMET_PATH


def review_url(home: Home) -> str:
    """The console, whose review page approves models.

    Raises:
        RegistryUnavailable: It does not run.
    """
    return _console(home, "the review page")


def _console(home: Home, what: str) -> str:
    url = home.service_url("console")
    if url is None:
        raise RegistryUnavailable(f"The console, which holds {what}, does not run. Start it with `make up`.")
    return url
