"""The chat page. Rendered here, made alive by one script of our own."""

from __future__ import annotations

import asyncio
import logging
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Response, get
from litestar.di import NamedDependency

from app.rag.services import Services
from twin.errors import IndexUnavailable

__all__ = ["ROUTES"]

log = logging.getLogger(__name__)

TEMPLATES = Path(__file__).parent / "templates"


@get("/", include_in_schema=False)
async def chat(services: NamedDependency[Services]) -> Response[str]:
    """The page, with the authors whom one can ask now; without any while the index does not answer."""
    try:
        authors = await asyncio.to_thread(services.retriever.authors)
    except IndexUnavailable as error:
        log.warning("the page names no authors: %s", error)
        authors = []
    html = (
        _environment().get_template("chat.html").render(authors=authors, max_chars=services.settings.max_question_chars)
    )
    return Response(html, media_type=MediaType.HTML)


@cache
def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)


ROUTES = [chat]
