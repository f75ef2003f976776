"""The `llm-twin` command. Each verb is thin: it gathers what it needs, calls `twin` or a job, and shows the outcome."""

from __future__ import annotations

from llm_twin_dagster.cli.main import app

__all__ = ["app"]
