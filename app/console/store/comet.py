"""What the Comet stand-in stores of experiments: parameters, metrics, small files. The `comet_ml` SDK writes here.

Everything is an upsert by the ids that the SDK sends, because the SDK repeats a message whose answer it did not see.
The model registry, with its reviews, is `app.console.store.comet_models`.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from bson import Binary
from pymongo import ASCENDING, DESCENDING, ReplaceOne
from pymongo.errors import DuplicateKeyError

from twin.errors import InputError, UnknownName
from twin.records import utcnow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from pymongo.asynchronous.collection import AsyncCollection
    from pymongo.asynchronous.database import AsyncDatabase

__all__ = ["MAX_ASSET_BYTES", "ExperimentStore"]

MAX_ASSET_BYTES = 16_000_000
"""An asset is one MongoDB document (16 MiB), with room left for its description."""


class ExperimentStore:
    """Experiments in the collections `comet_*` of a MongoDB database.

    Methods that take an experiment's `key` raise UnknownName when there is none.
    """

    def __init__(self, database: AsyncDatabase[dict[str, Any]], clock: Callable[[], datetime] = utcnow) -> None:
        self._experiments = database["comet_experiments"]
        self._parameters = database["comet_parameters"]
        self._metrics = database["comet_metrics"]
        self._others = database["comet_others"]
        self._assets = database["comet_assets"]
        self._details = database["comet_details"]
        self._clock = clock

    @staticmethod
    async def prepare(database: AsyncDatabase[dict[str, Any]]) -> None:
        """Makes the indexes; safe to repeat."""
        await database["comet_experiments"].create_index([("started_at", DESCENDING)])
        for rows in ("parameters", "metrics", "others", "assets", "details"):
            await database[f"comet_{rows}"].create_index([("experiment", ASCENDING)])

    async def create(self, key: str, *, workspace: str, project: str, exists_ok: bool = False) -> dict[str, Any]:
        """Starts an experiment.

        Raises:
            InputError: It exists, and `exists_ok` is false.
        """
        experiment = {
            "_id": key,
            "workspace": workspace,
            "project": project,
            "name": key[:12],
            "tags": [],
            "running": True,
            "started_at": self._clock(),
            "ended_at": None,
        }
        try:
            await self._experiments.insert_one(experiment)
        except DuplicateKeyError:
            if not exists_ok:
                raise InputError(f"Experiment {key} exists already. Continue it with the SDK's `get` mode.") from None
            return await self.get(key)
        return experiment

    async def get(self, key: str) -> dict[str, Any]:
        """The experiment's own record: workspace, project, name, tags, running, started_at, ended_at."""
        experiment = await self._experiments.find_one({"_id": key})
        if experiment is None:
            raise UnknownName(f"There is no experiment {key!r}.")
        return experiment

    async def newest(self, limit: int = 200) -> list[dict[str, Any]]:
        """The most recently started experiments."""
        return await self._experiments.find().sort("started_at", DESCENDING).limit(limit).to_list()

    async def beat(self, key: str, *, running: bool) -> None:
        """Notes that the experiment runs, or that it has ended."""
        await self._update(key, {"$set": {"running": running, "ended_at": None if running else self._clock()}})

    async def add_tags(self, key: str, tags: Iterable[str]) -> None:
        """Adds tags that are not there yet."""
        await self._update(key, {"$addToSet": {"tags": {"$each": list(tags)}}})

    async def log_other(self, key: str, name: str, value: object) -> None:
        """Keeps the last value of a name. `Name` is what the experiment is called."""
        if name == "Name":
            await self._update(key, {"$set": {"name": str(value)}})
        else:
            await self.get(key)
        await self._others.replace_one(
            {"_id": {"experiment": key, "name": name}},
            {"experiment": key, "name": name, "value": storable(value)},
            upsert=True,
        )

    async def log_parameters(self, key: str, parameters: Mapping[str, object]) -> None:
        """Keeps the last value of each parameter."""
        await self.get(key)
        writes = [
            ReplaceOne(
                {"_id": {"experiment": key, "name": name}},
                {"experiment": key, "name": name, "value": storable(value)},
                upsert=True,
            )
            for name, value in parameters.items()
        ]
        if writes:
            await self._parameters.bulk_write(writes, ordered=False)

    async def log_detail(self, key: str, kind: str, payload: Mapping[str, Any]) -> None:
        """Keeps the last payload of a kind that this stand-in has no page for (code, git, system details)."""
        await self.get(key)
        row = {"experiment": key, "kind": kind, "payload": storable(dict(payload)), "at": self._clock()}
        await self._details.replace_one({"_id": {"experiment": key, "kind": kind}}, row, upsert=True)

    async def log_metrics(self, key: str, points: Iterable[Mapping[str, Any]]) -> None:
        """Adds points of `metricName`, `metricValue`, `step` (may be None) and `timestamp` (milliseconds)."""
        await self.get(key)
        writes = [
            ReplaceOne(
                {
                    "_id": {
                        "experiment": key,
                        "name": point["metricName"],
                        "step": point.get("step"),
                        "timestamp": point.get("timestamp"),
                    }
                },
                {
                    "experiment": key,
                    "name": point["metricName"],
                    "value": storable(point["metricValue"]),
                    "step": point.get("step"),
                    "timestamp": point.get("timestamp"),
                },
                upsert=True,
            )
            for point in points
        ]
        if writes:
            await self._metrics.bulk_write(writes, ordered=False)

    async def put_asset(
        self, key: str, asset_id: str, content: bytes, *, name: str, kind: str, model: str | None
    ) -> None:
        """Stores a file of an experiment; `model` names the logged model that it is a part of.

        Raises:
            InputError: It is larger than MAX_ASSET_BYTES.
        """
        if len(content) > MAX_ASSET_BYTES:
            raise InputError(
                f"{name!r} has {len(content):,} bytes, and this console keeps assets of up to {MAX_ASSET_BYTES:,}. "
                "Keep large files in the artifact store and log a manifest that names them."
            )
        await self.get(key)
        asset = {
            "experiment": key,
            "name": name,
            "kind": kind,
            "model": model,
            "size": len(content),
            "created_at": self._clock(),
            "content": Binary(content),
        }
        await self._assets.replace_one({"_id": asset_id}, asset, upsert=True)

    async def asset(self, asset_id: str) -> dict[str, Any]:
        """A stored file, with its `content` and `name`.

        Raises:
            UnknownName: There is none of that id.
        """
        asset = await self._assets.find_one({"_id": asset_id})
        if asset is None:
            raise UnknownName(f"There is no asset {asset_id!r}.")
        return asset

    async def assets(self, key: str, *, model: str | None = None) -> list[dict[str, Any]]:
        """The files of an experiment, or of one model in it, without their content."""
        wanted = {"experiment": key} if model is None else {"experiment": key, "model": model}
        return await self._assets.find(wanted, {"content": 0}).sort([("name", ASCENDING), ("_id", ASCENDING)]).to_list()

    async def model_file(self, key: str, model: str, name: str) -> bytes:
        """The content of one file of a model that an experiment logged; nothing where there is none of that name."""
        for file in await self.assets(key, model=model):
            if file["name"] == name:
                return bytes((await self.asset(file["_id"]))["content"])
        return b""

    async def parameters(self, key: str) -> dict[str, Any]:
        """Name to last value, by name."""
        return await values_of(self._parameters, key)

    async def others(self, key: str) -> dict[str, Any]:
        """Name to last value of what is neither parameter nor metric, by name."""
        return await values_of(self._others, key)

    async def metrics(self, key: str) -> dict[str, list[tuple[int, float]]]:
        """Name to (step, value) points in the order of steps; a point without a step counts on from the last."""
        curves: dict[str, list[tuple[int, float]]] = {}
        order = [("name", ASCENDING), ("step", ASCENDING), ("timestamp", ASCENDING)]
        async for point in self._metrics.find({"experiment": key}).sort(order):
            value = as_number(point["value"])
            if value is None:
                continue
            curve = curves.setdefault(point["name"], [])
            step = point["step"] if point["step"] is not None else len(curve)
            curve.append((int(step), value))
        return curves

    async def _update(self, key: str, change: Mapping[str, Any]) -> None:
        if not (await self._experiments.update_one({"_id": key}, change)).matched_count:
            raise UnknownName(f"There is no experiment {key!r}.")


async def values_of(collection: AsyncCollection[dict[str, Any]], key: str) -> dict[str, Any]:
    """Name to value of one experiment's rows, by name."""
    rows = collection.find({"experiment": key}).sort("name", ASCENDING)
    return {row["name"]: row["value"] async for row in rows}


def storable(value: object) -> object:
    """A value as MongoDB keeps it: lists, objects and numbers of more than 8 bytes as JSON, whose keys are free."""
    if value is None or isinstance(value, str | bool | float):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return value
    return json.dumps(value, ensure_ascii=False)


def as_number(value: object) -> float | None:
    """The value as a finite float, or None when it is not one (the SDK may send metrics as text, NaN too)."""
    if not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
