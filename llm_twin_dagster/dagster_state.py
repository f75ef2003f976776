"""What the Dagster webserver tells about itself and the daemon, over its GraphQL."""

from __future__ import annotations

import time
from typing import Any

import httpx

from twin import http_clients
from twin.errors import PlatformError

__all__ = ["daemons_are_silent", "daemons_beat", "definitions_are_loaded"]

TIMEOUT_SECONDS = 5.0
SILENT_SECONDS = 300.0
"""A heart beats every 30 s, and more slowly on a machine that is busy."""

LOCATIONS = """{workspaceOrError{... on Workspace{locationEntries{
  name loadStatus locationOrLoadError{__typename ... on PythonError{message}}}}}}"""
HEARTBEATS = "{instance{daemonHealth{allDaemonStatuses{daemonType required lastHeartbeatTime}}}}"


def definitions_are_loaded(url: str) -> bool:
    """Whether every code location is there.

    Raises:
        PlatformError: One cannot be loaded; carries Dagster's reason.
    """
    entries = _ask(url, LOCATIONS).get("workspaceOrError", {}).get("locationEntries", [])
    for entry in entries:
        found = entry["locationOrLoadError"]
        if found and found["__typename"] == "PythonError":
            raise PlatformError(f"Dagster cannot load the definitions of {entry['name']}: {found['message'].strip()}")
    return bool(entries) and all(entry["loadStatus"] == "LOADED" for entry in entries)


def daemons_beat(url: str, *, since: float) -> bool:
    """Whether each daemon that must run has shown a sign of life after `since` (seconds of the epoch)."""
    beats = _heartbeats(url)
    return bool(beats) and all(beat is not None and beat >= since for beat in beats)


def daemons_are_silent(url: str) -> bool:
    """Whether the daemons have shown no sign of life for minutes. Not told where the webserver does not answer."""
    beats = [beat for beat in _heartbeats(url) if beat is not None]
    return bool(beats) and time.time() - max(beats) > SILENT_SECONDS


def _heartbeats(url: str) -> list[float | None]:
    """When each daemon that must run showed a sign of life last; none where the webserver does not answer."""
    health = _ask(url, HEARTBEATS).get("instance", {}).get("daemonHealth", {})
    return [status["lastHeartbeatTime"] for status in health.get("allDaemonStatuses", []) if status["required"]]


def _ask(url: str, query: str) -> dict[str, Any]:
    """The data of an answer; nothing while there is none."""
    try:
        response = http_clients.request("POST", f"{url}/graphql", json={"query": query}, timeout=TIMEOUT_SECONDS)
        return response.json().get("data") or {}
    except (httpx.HTTPError, ValueError):
        return {}
