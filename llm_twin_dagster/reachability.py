"""Whether each outside service answers with the settings as they are. Asked by `llm-twin doctor`, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

from twin import outside
from twin.deployment import Deployment, Destination, destinations
from twin.errors import ModelUnavailable, ServiceUnavailable, TwinError
from twin.serving.client import ChatClient
from twin.settings import EndpointSettings, ModelSettings, read

__all__ = ["answering", "asked"]

PROBE_SECONDS = 5.0


def asked(deployment: Deployment) -> list[tuple[Destination, str]]:
    """Every destination, and what is wrong with it: empty when it answers, and for what is on this machine."""
    return [(place, answering(deployment, place) if place.because else "") for place in destinations(deployment.home)]


def answering(deployment: Deployment, place: Destination) -> str:
    """Asks an outside service for something small, with our key; returns what went wrong."""
    probe = _PROBES.get(place.concern)
    try:
        if probe:
            probe(deployment)
    except TwinError as error:
        return error.message
    return ""


def _traces(deployment: Deployment) -> None:
    from twin.monitoring.delivery import silence

    if problem := silence(deployment.opik_url() or ""):
        raise ServiceUnavailable(problem)


def _teacher(_: Deployment) -> None:
    _model(outside.teacher(), read(ModelSettings).teacher_model)


def _endpoint(_: Deployment) -> None:
    _model(outside.model_endpoint(), read(EndpointSettings).model)


def _training(deployment: Deployment) -> None:
    deployment.trainer.check()


def _model(server: outside.Server | None, model: str | None) -> None:
    if server is None:
        return
    client = ChatClient(server.url, model=model, api_key=server.key, timeout=PROBE_SECONDS)
    try:
        models = client.models()
    finally:
        client.close()
    if model and models and model not in models:
        raise ModelUnavailable(f"{server.url} has no model {model!r}; it has {', '.join(models[:10])}.")


_PROBES: dict[str, Callable[[Deployment], object]] = {
    "documents and interactions": lambda deployment: deployment.warehouse.ping(),
    "vector index": lambda deployment: deployment.vector_index.status(),
    "model registry": lambda deployment: deployment.registry.versions(read(ModelSettings).name),
    "traces": _traces,
    "models are trained": _training,
    "instructions are written by": _teacher,
    "questions are answered by": _endpoint,
}
