"""The chat page. Rendered here, made alive by one script of our own."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Response, get
from litestar.di import NamedDependency

from app.rag.services import Services

__all__ = ["ROUTES"]

TEMPLATES = Path(__file__).parent / "templates"


@get("/", include_in_schema=False)
async def chat(services: NamedDependency[Services]) -> Response[str]:
    """The page, with the authors that there are now."""
    authors = await services.authors.names()
    html = (
        _environment().get_template("chat.html").render(authors=authors, max_chars=services.settings.max_question_chars)
    )
    return Response(html, media_type=MediaType.HTML)


@cache
def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)


ROUTES = [chat]
