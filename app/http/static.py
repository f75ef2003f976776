"""The files of an app's pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar import get
from litestar.params import FromPath
from litestar.response import File

from twin.errors import UnknownName

if TYPE_CHECKING:
    from pathlib import Path

    from litestar.handlers import HTTPRouteHandler

__all__ = ["static_files"]


def static_files(folder: Path) -> HTTPRouteHandler:
    """`/static/NAME` for the files that are in `folder` now. A name that a request tells never becomes a path."""
    files = {path.name: path for path in folder.iterdir() if path.is_file()}

    @get("/static/{name:str}", include_in_schema=False, sync_to_thread=False)
    def static(name: FromPath[str]) -> File:
        if name not in files:
            raise UnknownName("There is no such file.")
        return File(files[name], filename=name, content_disposition_type="inline")

    return static
