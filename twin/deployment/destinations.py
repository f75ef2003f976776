"""Where everything goes with the settings as they are: the table that `llm-twin doctor` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from twin import outside
from twin.aws.prices import price_of
from twin.deployment import addresses
from twin.deployment.table import TRAINING_PLACES
from twin.settings import AwsSettings, HomeSettings, MongoSettings, SageMakerSettings, TrainingSettings, read

if TYPE_CHECKING:
    from twin.home import Home

__all__ = ["Destination", "destinations"]


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """One concern's place."""

    concern: str
    where: str
    """For people: an address without its credentials, or what of this machine it is."""
    because: str
    """The setting that decides; empty for the default."""


def destinations(home: Home) -> list[Destination]:
    """One row for each concern.

    Raises:
        SettingsError: The settings contradict one another.
    """
    console = home.service_url("console")
    comet = _row(outside.comet(), f"the console's stand-in{_at(console, addresses.COMET_PATH)}")
    return [
        Destination(concern="documents and interactions", **_warehouse(home)),
        Destination(concern="vector index", **_row(outside.qdrant(), f"Qdrant's engine over {home.index}")),
        Destination(concern="artifacts", **_artifacts(home)),
        Destination(concern="experiments", **comet),
        Destination(concern="model registry", **comet),
        Destination(
            concern="traces", **_row(outside.opik(), f"the console's receiver{_at(console, addresses.OPIK_PATH)}")
        ),
        Destination(concern="models are trained", **_training()),
        Destination(
            concern="instructions are written by", **_row(outside.teacher(), "the base model, in a child process")
        ),
        Destination(
            concern="questions are answered by",
            **_row(outside.model_endpoint(), "the approved version, in a child process"),
        ),
    ]


def _row(server: outside.Server | None, otherwise: str) -> dict[str, str]:
    if server is None:
        return {"where": otherwise, "because": ""}
    return {"where": _without_credentials(server.url), "because": server.because}


def _warehouse(home: Home) -> dict[str, str]:
    uri = read(MongoSettings).uri
    running = home.service_url("mongod")
    if uri is None or uri.get_secret_value() == running:
        return {"where": f"the embedded mongod over {home.mongo}", "because": ""}
    return {"where": _without_credentials(uri.get_secret_value()), "because": "MONGODB_URI"}


def _artifacts(home: Home) -> dict[str, str]:
    url = read(HomeSettings).artifacts_url
    return {"where": url or str(home.artifacts), "because": "TWIN_ARTIFACTS_URL" if url else ""}


def _training() -> dict[str, str]:
    chosen = read(TrainingSettings).place
    because = "TRAINING_PLACE" if chosen else "DAGSTER_DEPLOYMENT"
    if (chosen or TRAINING_PLACES[read(HomeSettings).deployment]) == "here":
        return {"where": "in a child process", "because": because if chosen else ""}
    aws, kind = read(AwsSettings), read(SageMakerSettings).instance_type
    region, price = aws.region or "the profile's region", price_of(kind, aws).usd_per_hour
    return {"where": f"as a job on SageMaker, {kind} in {region}, ${price:.2f} an hour", "because": because}


def _at(console: str | None, path: str) -> str:
    return f" at {console}{path}" if console else ""


def _without_credentials(url: str) -> str:
    """The address alone: what stands before an @ in the authority, and options behind a ?, may be secrets."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("?")[0].partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"
