"""The pages on traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar import get
from litestar.response import Redirect

if TYPE_CHECKING:
    from litestar.types import ControllerRouterHandler

__all__ = ["route_handlers"]


@get("/", sync_to_thread=False)
def home() -> Redirect:
    """The traces are the console's first page."""
    return Redirect("/traces")


route_handlers: list[ControllerRouterHandler] = [home]
