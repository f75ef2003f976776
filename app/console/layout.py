"""How every page of the console looks: the base template's navigation and the filters that pages share."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Template
from litestar.template import TemplateConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NAVIGATION", "STATIC", "page", "templates"]

NAVIGATION = (
    ("/", "Now"),
    ("/traces", "Traces"),
    ("/experiments", "Experiments"),
    ("/models", "Models"),
    ("/review", "Review"),
)
"""What the bar at the top of every page links to."""

TEMPLATES = Path(__file__).parent / "templates"
STATIC = Path(__file__).parent / "static"


def page(template: str, *, active: str, title: str, context: Mapping[str, Any], status_code: int = 200) -> Template:
    """A page from `templates/`, inside the base layout. `active` is the path in `NAVIGATION` that it belongs to."""
    values = {**context, "active": active, "title": title, "navigation": NAVIGATION}
    return Template(template_name=template, context=values, status_code=status_code)


def templates() -> TemplateConfig:
    """Jinja2 with autoescaping: whatever was sent to the console is shown as text, never run."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(pretty=pretty, clock=clock, milliseconds=milliseconds)
    return TemplateConfig(instance=JinjaTemplateEngine.from_environment(environment))


def pretty(value: object) -> str:
    """A JSON value as indented text; text stays as it is."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False, default=str)


def clock(moment: datetime | None) -> str:
    """A moment as `2026-01-31 12:00:00 UTC`; nothing for None."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if moment else ""


def milliseconds(value: float | None) -> str:
    """A duration given in milliseconds, with the unit a reader would choose; nothing for None."""
    if value is None:
        return ""
    if value >= 1_000:
        return f"{value / 1_000:.2f} s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.2f} ms"
