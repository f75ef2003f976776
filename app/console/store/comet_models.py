"""The Comet stand-in's model registry: versions, their one status, and the reviews that move them to Production.

A version reaches `Production` by `DecisionStore.decide` alone, which is what a reviewer's page and API call. Whoever
holds only an API key (the pipeline) can ask for a review, as a member of a Comet workspace can. One version of a model
is in Production at a time: approving another moves it to `Archived`.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import DuplicateKeyError

from app.console.store.comet import storable
from twin.errors import InputError, ReviewRequired, UnknownName
from twin.records import utcnow
from twin.registry.contract import ARCHIVED, DEVELOPMENT, PRODUCTION, version_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from pymongo.asynchronous.database import AsyncDatabase

__all__ = ["STATUSES", "ModelStore"]

STATUSES = ("None", DEVELOPMENT, "Staging", PRODUCTION, ARCHIVED)
Row = dict[str, Any]


class ModelStore:
    """Registered models in the collections `comet_models` and `comet_model_versions` of a MongoDB database.

    Methods that take a version or an item's id raise UnknownName when there is none.
    """

    def __init__(self, database: AsyncDatabase[Row], clock: Callable[[], datetime] = utcnow) -> None:
        self._models = database["comet_models"]
        self._versions = database["comet_model_versions"]
        self._clock = clock

    @staticmethod
    async def prepare(database: AsyncDatabase[Row]) -> None:
        """Makes the indexes; safe to repeat."""
        by_version = [("workspace", ASCENDING), ("name", ASCENDING), ("version", ASCENDING)]
        await database["comet_model_versions"].create_index(by_version, unique=True)

    async def create(
        self,
        *,
        workspace: str,
        name: str,
        version: str,
        experiment: str,
        logged_model: str,
        status: str | None = None,
        tags: list[str] | None = None,
        comment: str | None = None,
        description: str | None = None,
    ) -> Row:
        """Registers the model that an experiment logged as a new version.

        Raises:
            InputError: The version exists, is not semantic, or the status is not one of STATUSES.
            ReviewRequired: The status is Production.
        """
        version_key(version)
        status = self._allowed(status or "None")
        now = self._clock()
        row: Row = {
            "_id": uuid.uuid4().hex,
            "workspace": workspace,
            "name": name,
            "version": version,
            "experiment": experiment,
            "logged_model": logged_model,
            "status": status,
            "tags": tags or [],
            "comment": comment,
            "metadata": {},
            "request": None,
            "created_at": now,
            "updated_at": now,
            "history": [self._event("MODEL_VERSION_CREATED", by="", new={"registryModelStatus": status})],
        }
        model_id = f"{workspace}/{name}"
        model = {"workspace": workspace, "name": name, "description": description, "created_at": now}
        await self._models.update_one({"_id": model_id}, {"$setOnInsert": model}, upsert=True)
        try:
            await self._versions.insert_one(row)
        except DuplicateKeyError:
            raise InputError(f"Version {version} of model {name!r} exists already.") from None
        return row

    async def models(self, workspace: str | None = None) -> list[Row]:
        """The registered models, by name."""
        wanted = {} if workspace is None else {"workspace": workspace}
        return await self._models.find(wanted).sort("name", ASCENDING).to_list()

    async def model(self, workspace: str, name: str) -> Row:
        """One registered model."""
        row = await self._models.find_one({"_id": f"{workspace}/{name}"})
        if row is None:
            raise UnknownName(f"There is no model {name!r} in workspace {workspace!r}.")
        return row

    async def versions(self, name: str, *, workspace: str | None = None, **equal: str) -> list[Row]:
        """The versions of a model, newest first, of those that have the given `status` or `tags` entry."""
        wanted: Row = {"name": name, **equal}
        if workspace is not None:
            wanted["workspace"] = workspace
        rows = await self._versions.find(wanted).to_list()
        return sorted(rows, key=lambda row: version_key(row["version"]), reverse=True)

    async def version(self, name: str, version: str, *, workspace: str | None = None) -> Row:
        """One version of a model."""
        wanted = {"name": name, "version": version} | ({} if workspace is None else {"workspace": workspace})
        row = await self._versions.find_one(wanted)
        if row is None:
            raise UnknownName(f"There is no version {version!r} of model {name!r}.")
        return row

    async def item(self, item_id: str) -> Row:
        """One version, by its registry item id."""
        row = await self._versions.find_one({"_id": item_id})
        if row is None:
            raise UnknownName(f"There is no model version with id {item_id!r}.")
        return row

    async def pending(self) -> list[Row]:
        """The versions that await a reviewer, the longest waiting first."""
        return await self._versions.find({"request.state": "pending"}).sort("request.at", ASCENDING).to_list()

    async def decided(self, limit: int = 50) -> list[Row]:
        """The versions that a reviewer decided, the latest first."""
        wanted = {"request.state": {"$in": ["approved", "rejected"]}}
        return await self._versions.find(wanted).sort("request.decided_at", DESCENDING).limit(limit).to_list()

    async def set_metadata(self, item_id: str, values: Mapping[str, object]) -> None:
        """Adds to what is noted of a version.

        Raises:
            InputError: A name is empty, begins with `$`, or holds a dot or a NUL.
        """
        for name in values:
            if not name or name.startswith("$") or set(name) & {".", "\0"}:
                raise InputError(f"{name!r} cannot name metadata: no dots and NULs, and no `$` in front.")
        noted = {f"metadata.{name}": storable(value) for name, value in values.items()}
        await self._change(item_id, {"$set": noted} if noted else {})

    async def add_tag(self, item_id: str, tag: str) -> None:
        """Adds a tag that is not there yet."""
        await self._change(item_id, {"$addToSet": {"tags": tag}})

    async def remove_tag(self, item_id: str, tag: str) -> None:
        """Removes a tag."""
        await self._change(item_id, {"$pull": {"tags": tag}})

    async def set_status(self, item_id: str, status: str) -> None:
        """Changes the status without a review.

        Raises:
            InputError: It is not one of STATUSES.
            ReviewRequired: It is Production.
        """
        row = await self.item(item_id)
        change = {"$set": {"status": self._allowed(status)}}
        event = self._event(
            "MODEL_VERSION_STATUS_CHANGED",
            by="",
            previous={"registryModelStatus": row["status"]},
            new={"registryModelStatus": status},
        )
        await self._change(item_id, change | {"$push": {"history": event}})

    async def request_review(self, item_id: str, status: str, comment: str | None) -> None:
        """Asks a person to move the version to `status`. What was decided already stays decided.

        Raises:
            InputError: The status is not one of STATUSES.
        """
        if status not in STATUSES:
            raise InputError(f"Status {status!r} is not one of {', '.join(STATUSES)}.")
        row = await self.item(item_id)
        if row["request"]:
            return
        request = {"status": status, "state": "pending", "comment": comment, "at": self._clock()}
        event = self._event(
            "MODEL_VERSION_STATUS_REQUEST_CHANGE",
            by="",
            comment=comment,
            previous={"registryModelStatus": row["status"]},
            new={"registryModelStatus": status},
        )
        await self._change(item_id, {"$set": {"request": request}, "$push": {"history": event}})

    async def _change(self, item_id: str, change: Row) -> None:
        stamped = {**change, "$set": {**change.get("$set", {}), "updated_at": self._clock()}}
        if not (await self._versions.update_one({"_id": item_id}, stamped)).matched_count:
            raise UnknownName(f"There is no model version with id {item_id!r}.")

    def _event(
        self, action: str, *, by: str, new: Row | None = None, previous: Row | None = None, comment: str | None = None
    ) -> Row:
        return {
            "action": action,
            "at": self._clock(),
            "by": by,
            "comment": comment,
            "previous": previous or {},
            "new": new or {},
        }

    @staticmethod
    def _allowed(status: str) -> str:
        if status == PRODUCTION:
            raise ReviewRequired("Only a reviewer moves a version to Production. Ask for a review instead.")
        if status not in STATUSES:
            raise InputError(f"Status {status!r} is not one of {', '.join(STATUSES)}.")
        return status
