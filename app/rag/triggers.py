"""Starting jobs over HTTP, and asking how they ended."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from app.rag.schema import Problem
from app.rag.services import Services
from twin.errors import InputError
from twin.triggers import Arguments, Started

__all__ = ["ROUTES"]

MAX_KEY = 200

PROBLEMS = {
    400: ResponseSpec(Problem, description="The request does not fit", generate_examples=False),
    401: ResponseSpec(Problem, description="The key is missing or wrong", generate_examples=False),
    404: ResponseSpec(Problem, description="No such job, or no such run", generate_examples=False),
    413: ResponseSpec(Problem, description="The body is too large", generate_examples=False),
    503: ResponseSpec(Problem, description="Dagster's web server is away", generate_examples=False),
}


class TriggerRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the job is given."""

    location: Annotated[str, Meta(max_length=2_000, description="A web address to ingest")] | None = None
    author: Annotated[str, Meta(max_length=200, description="Whose documents these are")] | None = None
    force: Annotated[bool, Meta(description="Train again although nothing has changed")] = False

    def arguments(self) -> Arguments:
        """What it says."""
        return Arguments(location=self.location, author=self.author, force=self.force)


@post("/triggers/{job:str}", status_code=202, responses=PROBLEMS, summary="Start a job")
async def start(
    request: Request[Any, Any, Any],
    data: JSONBody[TriggerRequest],
    services: NamedDependency[Services],
    job: FromPath[str],
) -> Started:
    """Launches a job in Dagster. With an `Idempotency-Key`, the same request again gives the same run."""
    services.triggers.check(request.headers.get("authorization", ""))
    once = request.headers.get("idempotency-key", "")
    if len(once) > MAX_KEY or not once.isascii():
        raise InputError(f"The Idempotency-Key has more than {MAX_KEY} characters, or others than ASCII.")
    return await services.triggers.start(job, data.arguments(), once)


@get("/triggers/{run:str}", responses=PROBLEMS, summary="How a run ended")
async def tell(request: Request[Any, Any, Any], services: NamedDependency[Services], run: FromPath[str]) -> Started:
    """A run's status, and why it ended badly where it did."""
    services.triggers.check(request.headers.get("authorization", ""))
    return await services.triggers.tell(run)


ROUTES = [start, tell]
