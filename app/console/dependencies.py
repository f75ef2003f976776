"""What the console's handlers are given."""

from __future__ import annotations

from typing import Any, TypeAlias

from litestar.di import NamedDependency
from litestar.params import SkipValidation
from pymongo.asynchronous.database import AsyncDatabase

from twin.registry.policy import Policy

__all__ = ["DagsterUrl", "Database", "ReviewPolicy", "ReviewerToken", "Serving"]

Database: TypeAlias = NamedDependency[SkipValidation[AsyncDatabase[dict[str, Any]]]]
"""Annotate a handler's `database` parameter with this."""

DagsterUrl: TypeAlias = NamedDependency[str | None]
"""Where Dagster's UI is now, if it runs. Annotate a handler's `dagster_url` parameter with this."""

ReviewPolicy: TypeAlias = NamedDependency[SkipValidation[Policy]]
"""What an approval takes. Annotate a handler's `policy` parameter with this."""

ReviewerToken: TypeAlias = NamedDependency[str | None]
"""Annotate a handler's `reviewer_token` parameter with this."""

Serving: TypeAlias = NamedDependency[str]
"""Which version answers now, in words. Annotate a handler's `serving` parameter with this."""
