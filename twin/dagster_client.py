"""Asking Dagster's web server over its GraphQL, so that nobody here loads Dagster."""

from __future__ import annotations

from typing import Any

import httpx

from twin import http_clients
from twin.errors import ServiceUnavailable

__all__ = ["LOCATION", "REPOSITORY", "ask"]

LOCATION, REPOSITORY = "llm-twin", "__repository__"
"""The code location that workspace.yaml names, and what is in it."""
TIMEOUT_SECONDS = 20.0
"""Launching a run has Dagster load the job, which takes seconds the first time."""


async def ask(url: str | None, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
    """The data of an answer.

    Raises:
        ServiceUnavailable: Nobody knows where the web server is, or it does not answer.
    """
    if not url:
        raise ServiceUnavailable("No Dagster web server is known: start the stack, or set DAGSTER_URL.")
    try:
        async with http_clients.async_client(url, timeout=TIMEOUT_SECONDS) as client:
            body = {"query": query, "variables": variables or {}}
            data = (await client.post(f"{url.rstrip('/')}/graphql", json=body)).json()["data"]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise ServiceUnavailable("Dagster's web server does not answer.", detail=repr(error)) from error
    if not isinstance(data, dict):
        raise ServiceUnavailable("Dagster's web server does not understand what it is asked.", detail=repr(data))
    return data
