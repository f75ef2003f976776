"""How each of the apps is served: to known hosts, to HEAD as to GET, with connections that a proxy may keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import uvicorn

from app.http.bodies import Unpacked
from twin.http_servers import Hosts, KnownHosts
from twin.processes import handover
from twin.settings import StackSettings, read

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send

__all__ = ["HeadAsGet", "front", "uvicorn_config"]


class HeadAsGet:
    """An ASGI application that answers HEAD where it answers GET. The server leaves the body out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)


def front(app: ASGIApp, hosts: Hosts) -> Any:
    """The app with all that stands before it."""
    return KnownHosts(HeadAsGet(Unpacked(app)), hosts)  # ty: ignore[invalid-argument-type]


def uvicorn_config(
    app: ASGIApp, host: str, port: int, *, grace_seconds: int, hosts: Hosts | None = None
) -> uvicorn.Config:
    """How uvicorn serves an app.

    Args:
        app: The app.
        host: The address to listen on.
        port: The port.
        grace_seconds: How long requests may go on after SIGTERM.
        hosts: What it answers to; None: as set.
    """
    settings = read(StackSettings)
    return uvicorn.Config(
        front(app, hosts or Hosts(host, settings.allowed_hosts.split(","))),
        host=host,
        port=port,
        headers=handover.identity_headers(),
        log_config=None,  # the programs configure logging
        log_level="warning",
        access_log=False,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=grace_seconds,
    )
