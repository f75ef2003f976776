"""The outside services that the settings name. One rule for all: a URL or a key, either alone, means the real service.

A key alone leads to the vendor's own cloud where there is one address for everybody (Comet, Opik). Where there is none
(a Qdrant cluster, a model server) it is an error, and never a silent fall back on something local.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from twin.errors import SettingsError
from twin.settings import CometSettings, EndpointSettings, ModelSettings, OpikSettings, QdrantSettings, read

if TYPE_CHECKING:
    from pydantic import SecretStr

__all__ = ["LOCAL_KEY", "Server", "comet", "model_endpoint", "opik", "qdrant", "teacher"]

COMET_CLOUD = "https://www.comet.com/clientlib/"
OPIK_CLOUD = "https://www.comet.com/opik/api"


LOCAL_KEY = "local-console-key"
"""The console's stand-ins take any key; the SDKs want one."""


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Where something is asked for, with what key, and what made it so."""

    url: str
    key: str | None = None
    because: str
    """The settings that name it, or where it is known from."""

    def __repr__(self) -> str:
        return f"Server({self.url!r}, key={'set' if self.key else None}, because={self.because!r})"


def comet() -> Server | None:
    """Comet or a server that speaks its protocol; None for the console's stand-in."""
    settings = read(CometSettings)
    server = _named("COMET_URL_OVERRIDE", settings.url, "COMET_API_KEY", settings.api_key, cloud=COMET_CLOUD)
    return msgspec.structs.replace(server, key=server.key or LOCAL_KEY) if server else None


def opik() -> Server | None:
    """Opik Cloud or an Opik server; None for the console's receiver."""
    settings = read(OpikSettings)
    return _named("OPIK_URL_OVERRIDE", settings.url, "OPIK_API_KEY", settings.api_key, cloud=OPIK_CLOUD)


def qdrant() -> Server | None:
    """A Qdrant server or cluster; None for the engine in process.

    Raises:
        SettingsError: Only the key is set.
    """
    settings = read(QdrantSettings)
    return _named("QDRANT_URL", settings.url, "QDRANT_API_KEY", settings.api_key)


def model_endpoint() -> Server | None:
    """An OpenAI-compatible server that answers; None for the endpoint that approved versions are deployed to.

    Raises:
        SettingsError: Only the key is set.
    """
    settings = read(EndpointSettings)
    return _named("MODEL_ENDPOINT_URL", settings.url, "MODEL_ENDPOINT_API_KEY", settings.api_key)


def teacher() -> Server | None:
    """An OpenAI-compatible server that writes training data; None for the base model in a child process.

    Raises:
        SettingsError: Only the key is set.
    """
    settings = read(ModelSettings)
    return _named("TEACHER_URL", settings.teacher_url, "TEACHER_API_KEY", settings.teacher_api_key)


def _named(
    url_name: str, url: str | None, key_name: str, key: SecretStr | None, *, cloud: str | None = None
) -> Server | None:
    if not url and not key:
        return None
    if not url and cloud is None:
        raise SettingsError(
            f"{key_name} is set and {url_name} is not: a key does not say which server it is for. "
            f"Set {url_name}, or take {key_name} away."
        )
    names = [name for name, value in ((url_name, url), (key_name, key)) if value]
    return Server(url=url or cloud or "", key=key.get_secret_value() if key else None, because=" and ".join(names))
