"""Whether the process lives, and whether it can answer."""

from __future__ import annotations

import asyncio
import time

from litestar import Response, get
from litestar.datastructures import State as AppState
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from app.rag.metrics import CONTENT_TYPE_LATEST, Metrics
from app.rag.schema import Readiness, State
from app.rag.services import Dependency, Services
from app.rag.warmup import Warmup
from twin.errors import TwinError

__all__ = ["ROUTES"]

CHECK_SECONDS = 2.0


@get("/health/live", sync_to_thread=False, summary="Is the process alive")
def live() -> dict[str, str]:
    """The process serves HTTP."""
    return {"status": "live"}


@get(
    "/health/ready",
    responses={503: ResponseSpec(Readiness, description="Questions are not answered now", generate_examples=False)},
    summary="Can questions be answered",
)
async def ready(services: NamedDependency[Services], warmup: NamedDependency[Warmup]) -> Response[Readiness]:
    """200 when questions are answered, 503 when not; how each dependency is, and how long it took to tell."""
    dependencies = {"warm-up": Dependency(check=warmup.check), **services.dependencies}
    states = await asyncio.gather(*(_state(dependency) for dependency in dependencies.values()))
    readiness = _readiness(dict(zip(dependencies, states, strict=True)), is_starting=not warmup.is_over)
    return Response(readiness, status_code=200 if readiness.status in ("ready", "degraded") else 503)


@get("/metrics", sync_to_thread=False, media_type=CONTENT_TYPE_LATEST, summary="Prometheus metrics")
def metrics(state: AppState) -> bytes:
    """Requests by route, stages of answers, interactions by how they ended."""
    figures: Metrics = state.metrics
    return figures.text()


def _readiness(states: dict[str, State], *, is_starting: bool) -> Readiness:
    if is_starting:
        return Readiness(status="starting", dependencies=states)
    away = [state for state in states.values() if not state.ok]
    if any(state.required for state in away):
        return Readiness(status="unavailable", dependencies=states)
    return Readiness(status="degraded" if away else "ready", dependencies=states)


async def _state(dependency: Dependency) -> State:
    started = time.perf_counter()
    problem: str | None = None
    try:
        await asyncio.wait_for(dependency.check(), CHECK_SECONDS)
    except TimeoutError:
        problem = f"No answer within {CHECK_SECONDS:.0f} s."
    except TwinError as error:
        problem = error.message
    milliseconds = round((time.perf_counter() - started) * 1000, 2)
    if problem is None:
        return State(ok=True, required=dependency.required, milliseconds=milliseconds)
    return State(ok=False, required=dependency.required, milliseconds=milliseconds, message=problem)


ROUTES = [live, ready, metrics]
