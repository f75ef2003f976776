"""The part of Opik's HTTP API that the `opik` SDK uses to send traces and to read them back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar import Router, get

if TYPE_CHECKING:
    from litestar.types import ControllerRouterHandler

__all__ = ["PREFIX", "route_handlers"]

PREFIX = "/opik/api"
"""Where the API is on the console: `OPIK_URL_OVERRIDE=http://127.0.0.1:8001/opik/api`."""


@get("/is-alive/ping", sync_to_thread=False)
def ping() -> dict[str, str | bool]:
    """What the SDK asks before it starts."""
    return {"message": "Healthy Server", "healthy": True}


route_handlers: list[ControllerRouterHandler] = [Router(path=PREFIX, route_handlers=[ping])]
