"""How the services of a running stack are, each asked now."""

from __future__ import annotations

from typing import Literal

import httpx
import msgspec

from llm_twin_dagster import dagster_state
from twin import http_clients
from twin.home import Home, RunState, ServiceState
from twin.processes import alive, answers
from twin.serving.local import LocalEndpoint

__all__ = ["WHAT", "ServiceStatus", "examine", "lacking"]

ASK_SECONDS = 5.0

WHAT = {
    "dagster": "Dagster UI",
    "twin": "The twin: chat and API",
    "console": "Console: traces, models, review",
    "mongod": "MongoDB",
    "endpoint": "Model endpoint",
    "daemon": "Dagster's daemon: sensors, queued runs",
}
"""What a person calls the services, in the order in which they look for them."""

HEALTH = {"dagster": "/server_info", "twin": "/health/live", "console": "/health/ready"}


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One service of the stack."""

    name: str
    state: Literal["answers", "does not answer", "is being started again"]
    url: str
    note: str = ""
    """What it lacks for its work, and what to do about that."""


def examine(home: Home) -> list[ServiceStatus]:
    """The services of the stack that runs for `home`; none when none runs. Takes seconds when some do not answer."""
    running = home.run_state()
    if running is None:
        return []
    return [_examined(name, running, home) for name in WHAT if name in running.services]


def _examined(name: str, running: RunState, home: Home) -> ServiceStatus:
    service = running.services[name]
    if not alive(service.pid):
        state = "is being started again"
    else:
        state = "answers" if _is_well(name, service, running, home) else "does not answer"
    note = _lacking(name, service, home) if state == "answers" else f"see {home.logs / name}.log"
    return ServiceStatus(name=name, state=state, url=service.url, note=note)


def _is_well(name: str, service: ServiceState, running: RunState, home: Home) -> bool:
    if name in HEALTH:
        return answers(service.url + HEALTH[name], ASK_SECONDS, word=service.word or None)
    if name == "endpoint":
        return LocalEndpoint(home.root).host_is_well()
    if name == "daemon":
        webserver = running.services.get("dagster")
        return webserver is None or not dagster_state.daemons_are_silent(webserver.url)
    from twin.warehouse import mongod

    return mongod.answers(service.url)


def _lacking(name: str, service: ServiceState, home: Home) -> str:
    if name == "twin":
        return "; ".join(lacking(_readiness(service.url)))
    if name == "endpoint":
        status = LocalEndpoint(home.root).status()
        if status.state == "InService":
            return f"serves version {status.version}"
        return status.message.partition("\n")[0] or "no model is deployed"
    return ""


def lacking(readiness: dict) -> list[str]:
    """What the twin's `/health/ready` says is away."""
    dependencies = readiness.get("dependencies", {})
    return [f"{name}: {state['message']}" for name, state in dependencies.items() if not state["ok"]]


def _readiness(url: str) -> dict:
    try:
        return http_clients.request("GET", f"{url}/health/ready", timeout=ASK_SECONDS).json()
    except (httpx.HTTPError, ValueError):
        return {}
