"""What is compared, from the warehouse: a version's reference, which is an artifact, and the window until now."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from twin.monitoring.drift.report import Report, compare
from twin.monitoring.drift.window import Window

if TYPE_CHECKING:
    from datetime import datetime

    from twin.artifacts import ArtifactStore
    from twin.settings import DriftSettings
    from twin.warehouse import Warehouse

__all__ = ["HISTORY_KEPT", "history", "latest", "make", "reference_of"]

MOST = 5_000
"""Requests of a window that are read, the latest."""
FOLDER = "monitoring"
HISTORY_KEPT = timedelta(days=30)


def make(warehouse: Warehouse, store: ArtifactStore, settings: DriftSettings, now: datetime) -> Report:
    """Compares the latest requests with the reference of the version that answers, and keeps the report."""
    past = [report for report in history(store) if timedelta() < now - report.at < HISTORY_KEPT]
    report = _looked(warehouse, store, settings, now, sum(now - one.at < timedelta(days=1) for one in past) + 1)
    store.write(f"{FOLDER}/history.json", msgspec.json.encode([*past, report]))
    return report


def history(store: ArtifactStore) -> list[Report]:
    """The reports of the last 30 days, the oldest first. What another version wrote is begun anew."""
    kept = store.read(f"{FOLDER}/history.json")
    try:
        return msgspec.json.decode(kept, type=list[Report]) if kept else []
    except msgspec.DecodeError:
        return []


def latest(store: ArtifactStore) -> Report | None:
    """The last report."""
    found = history(store)
    return found[-1] if found else None


def reference_of(version: str, store: ArtifactStore) -> Window | None:
    """The reference of a version, once it has one."""
    kept = store.read(_reference_path(version))
    return msgspec.msgpack.decode(kept, type=Window) if kept else None


def window_of(warehouse: Warehouse, since: datetime, until: datetime, most: int) -> Window | None:
    """The latest requests between two moments, `most` at most."""
    rows = warehouse.interactions.figures(since, until, most, latest=True)
    return Window.of(rows, warehouse.ratings.means([row["_id"] for row in rows]))


def _looked(warehouse: Warehouse, store: ArtifactStore, settings: DriftSettings, now: datetime, windows: int) -> Report:
    version = warehouse.interactions.latest_version()
    if version is None:
        return Report(at=now, state="no requests")
    reference = reference_of(version, store) or _gathered(version, warehouse, store, settings, now)
    if reference.requests < settings.reference_requests:
        return Report(at=now, state="gathering the reference", version=version, reference_requests=reference.requests)
    since = max(reference.ended + timedelta(milliseconds=1), now - timedelta(hours=settings.window_hours))
    window = window_of(warehouse, since, now, MOST)
    if window is None or window.requests < settings.min_requests:
        return Report(
            at=now,
            state="too few requests",
            version=version,
            requests=window.requests if window else 0,
            reference_requests=reference.requests,
        )
    return compare(version, reference, window, at=now, windows=windows)


def _gathered(
    version: str, warehouse: Warehouse, store: ArtifactStore, settings: DriftSettings, now: datetime
) -> Window:
    """The first requests since a version began to answer; kept for ever once there are enough."""
    began = warehouse.interactions.began(version) or now
    rows = warehouse.interactions.figures(began, now, settings.reference_requests, latest=False)
    found = Window.of(rows, warehouse.ratings.means([row["_id"] for row in rows]))
    if found is None:
        return Window(began=began, ended=began, requests=0, columns={}, vectors=b"", dimensions=0)
    if found.requests >= settings.reference_requests:
        store.write(_reference_path(version), msgspec.msgpack.encode(found))
    return found


def _reference_path(version: str) -> str:
    return f"{FOLDER}/references/{hashlib.sha256(version.encode()).hexdigest()[:16]}.msgpack"
