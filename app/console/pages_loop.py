"""The first page: the loop at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar import get
from litestar.response import Template

from app.console import layout
from app.console.dependencies import DagsterUrl, Database, Serving
from app.console.store.comet_models import ModelStore
from twin.loop import Loop, look

if TYPE_CHECKING:
    from litestar.types import ControllerRouterHandler

__all__ = ["route_handlers"]


@get("/")
async def home(database: Database, dagster_url: DagsterUrl, serving: Serving) -> Template:
    """What is fresh, what is due and why not yet, what runs, what awaits a person, what serves."""
    loop = await look(dagster_url) if dagster_url else Loop(problem="The Dagster UI does not run.")
    context = {
        "now": loop,
        "dagster_url": dagster_url or "",
        "pending": await ModelStore(database).pending(),
        "serving": serving,
    }
    return layout.page("loop.html", active="/", title="Now", context=context)


route_handlers: list[ControllerRouterHandler] = [home]
