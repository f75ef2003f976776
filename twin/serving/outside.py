"""A model server that MODEL_ENDPOINT_URL names: it is asked, and nothing is deployed to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from twin.errors import ModelUnavailable, SettingsError
from twin.serving.client import ChatClient
from twin.serving.endpoint import DEPLOY_SECONDS, EndpointStatus

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["OutsideEndpoint"]

PROBE_SECONDS = 5.0
NOT_OURS = (
    "MODEL_ENDPOINT_URL names a model server of its own, {url}: questions are answered there, and approved versions "
    "are not deployed to it. Unset MODEL_ENDPOINT_URL to serve them here."
)


class OutsideEndpoint:
    """An `Endpoint` that only answers."""

    def __init__(self, url: str, api_key: str | None = None, model: str | None = None) -> None:
        self._url = url
        self._api_key = api_key
        self._model = model

    def status(self) -> EndpointStatus:
        """Whether it answers: its models are asked for, with the key. See `Endpoint`."""
        client = ChatClient(self._url, model=self._model, api_key=self._api_key, timeout=PROBE_SECONDS)
        try:
            models = client.models()
        except ModelUnavailable as error:
            return EndpointStatus(state="Failed", outside=True, message=error.message)
        finally:
            client.close()
        message = "MODEL_ENDPOINT_URL; nothing is deployed to it" + (f"; it has {', '.join(models)}" if models else "")
        return EndpointStatus(state="InService", outside=True, url=self._url, message=message)

    def deploy(self, version: str, folder: Path, sha256: str, timeout: float = DEPLOY_SECONDS) -> EndpointStatus:
        """Refuses with a SettingsError."""
        self._refuse()

    def rollback(self) -> EndpointStatus:
        """Refuses with a SettingsError."""
        self._refuse()

    def delete(self) -> None:
        """Refuses with a SettingsError."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise SettingsError(NOT_OURS.format(url=self._url))
