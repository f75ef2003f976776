"""The part of Comet's HTTP API that the `comet_ml` SDK uses for the model registry.

Nothing here moves a version to Production: that is `app.console.review`, with a reviewer's token.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any, TypeAlias

import msgspec
from litestar import Request, Router, get, post
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.types import ControllerRouterHandler

from app.console.comet import ERRORS, REST, Body, millis, needs_api_key
from app.console.dependencies import Database
from app.console.store.comet import ExperimentStore
from app.console.store.comet_models import STATUSES, ModelStore
from app.console.store.reviews import decision_of
from app.http.bodies import read_json
from twin.errors import InputError

__all__ = ["route_handlers"]

Workspace: TypeAlias = Annotated[str, QueryParameter(name="workspaceName")]
ModelName: TypeAlias = Annotated[str, QueryParameter(name="modelName")]
ModelItem: TypeAlias = Annotated[str, QueryParameter(name="modelItemId")]
VersionPrefix: TypeAlias = Annotated[str, QueryParameter(name="versionPrefix")]


class Create(Body):
    experiment_key: str
    experiment_model_name: str
    registry_model_name: str
    version: str | None = None
    status: str | None = None
    tags: list[str] | None = None
    version_comment: str | None = None
    registry_model_description: str | None = None


class Pair(Body):
    key: str
    value: Any = None


class Metadata(Body):
    metadata: list[Pair]


class StatusConfiguration(Body):
    status: str
    is_review_required: bool = False
    comment: str | None = None


class StatusChange(Body):
    status: str
    model_item_id: str


class ItemReference(Body):
    registry_model_item_id: str


@post("/write/registry-model/item/create", status_code=200)
async def create(request: Request, database: Database) -> dict[str, str]:
    """Registers a logged model as a new version, in the workspace of its experiment."""
    body = await read_json(request, Create)
    experiments = ExperimentStore(database)
    experiment = await experiments.get(body.experiment_key)
    if not await experiments.assets(body.experiment_key, model=body.experiment_model_name):
        raise InputError(f"Experiment {body.experiment_key} logged no model {body.experiment_model_name!r}.")
    row = await ModelStore(database).create(
        workspace=experiment["workspace"],
        name=body.registry_model_name,
        version=body.version or "1.0.0",
        experiment=body.experiment_key,
        logged_model=body.experiment_model_name,
        status=body.status,
        tags=body.tags,
        comment=body.version_comment,
        description=body.registry_model_description,
    )
    return {"registryModelId": f"{row['workspace']}/{row['name']}", "registryModelItemId": row["_id"]}


@post("/write/registry-model/item/{item_id:str}/metadata", status_code=200)
async def set_metadata(item_id: FromPath[str], request: Request, database: Database) -> dict[str, Any]:
    """Adds to what is noted of a version."""
    body = await read_json(request, Metadata)
    await ModelStore(database).set_metadata(item_id, {pair.key: pair.value for pair in body.metadata})
    return {}


@post("/write/registry-model/item/{item_id:str}/status-configuration", status_code=200)
async def configure_status(item_id: FromPath[str], request: Request, database: Database) -> dict[str, Any]:
    """Asks for a status: at once, or by way of a review."""
    body = await read_json(request, StatusConfiguration)
    models = ModelStore(database)
    if body.is_review_required:
        await models.request_review(item_id, body.status, body.comment)
    else:
        await models.set_status(item_id, body.status)
    return {}


@post("/write/registry-model/item/status", status_code=200)
async def set_status(request: Request, database: Database) -> dict[str, Any]:
    """Changes the status of a version, except to Production."""
    body = await read_json(request, StatusChange)
    await ModelStore(database).set_status(body.model_item_id, body.status)
    return {}


@get("/write/registry-model/item/stage")
async def add_tag(item_id: ModelItem, stage: FromQuery[str], database: Database) -> dict[str, Any]:
    """Adds a tag; the endpoint has the name that tags once had."""
    await ModelStore(database).add_tag(item_id, stage)
    return {}


@get("/write/registry-model/item/stage/delete")
async def remove_tag(item_id: ModelItem, stage: FromQuery[str], database: Database) -> dict[str, Any]:
    """Removes a tag."""
    await ModelStore(database).remove_tag(item_id, stage)
    return {}


@get("/registry-model")
async def list_models(workspace: Workspace, database: Database) -> dict[str, Any]:
    """The registered models of a workspace."""
    rows = await ModelStore(database).models(workspace)
    return {"registryModels": [{"registryModelId": row["_id"], "modelName": row["name"]} for row in rows]}


@get(["/registry-model/compact-details", "/registry-model/details"])
async def model_details(workspace: Workspace, name: ModelName, database: Database) -> dict[str, Any]:
    """One model with its versions."""
    models = ModelStore(database)
    row = await models.model(workspace, name)
    versions = await models.versions(name, workspace=workspace)
    return {
        "registryModelId": row["_id"],
        "modelName": row["name"],
        "description": row["description"],
        "createdAt": millis(row["created_at"]),
        "versions": [item_of(version) for version in versions],
    }


@get("/registry-model/items")
async def list_versions(
    workspace: Workspace,
    name: ModelName,
    database: Database,
    status: FromQuery[str | None] = None,
    tag: FromQuery[str | None] = None,
    version_prefix: VersionPrefix = "",
) -> dict[str, Any]:
    """The versions of a model, newest first."""
    models = ModelStore(database)
    await models.model(workspace, name)
    equal = {key: value for key, value in (("status", status), ("tags", tag)) if value}
    rows = await models.versions(name, workspace=workspace, **equal)
    return {"items": [item_of(row) for row in rows if f"{row['version']}.".startswith(version_prefix)]}


@get("/registry-model/item/details")
async def version_details(
    workspace: Workspace, name: ModelName, version: FromQuery[str], database: Database
) -> dict[str, Any]:
    """One version."""
    return item_of(await ModelStore(database).version(name, version, workspace=workspace))


@get("/registry-model/item/download-instructions")
async def download_instructions(
    request: Request, workspace: Workspace, name: ModelName, version: FromQuery[str], database: Database
) -> dict[str, Any]:
    """Where the files of a version are."""
    row = await ModelStore(database).version(name, version, workspace=workspace)
    files = await ExperimentStore(database).assets(row["experiment"], model=row["logged_model"])
    link = f"{request.base_url}api/rest/v2/experiment/asset/get-asset?experimentKey={row['experiment']}&assetId="
    assets = [
        {
            "assetId": file["_id"],
            "fileName": file["name"],
            "fileSize": file["size"],
            "type": file["kind"],
            "link": link + file["_id"],
            "experimentKey": row["experiment"],
            "metadata": None,
            "remote": False,
        }
        for file in files
    ]
    return {"versions": [{"version": version, "assets": assets}]}


@get("/registry-model/item/{item_id:str}/metadata")
async def get_metadata(item_id: FromPath[str], database: Database) -> dict[str, Any]:
    """What is noted of a version."""
    row = await ModelStore(database).item(item_id)
    return {"metadata": [{"key": key, "value": value} for key, value in row["metadata"].items()]}


@get("/registry-model/item/{item_id:str}/status-configuration")
async def get_status_configuration(item_id: FromPath[str], database: Database) -> dict[str, Any]:
    """The review that a version awaits; empty when it awaits none."""
    request = (await ModelStore(database).item(item_id))["request"]
    if not request or request["state"] != "pending":
        return {}
    return {
        "modelItemId": item_id,
        "status": request["status"],
        "isReviewRequired": True,
        "statusConfiguration": [],
        "comment": request["comment"],
    }


@post("/registry-model/history/item", status_code=200)
async def history(request: Request, database: Database) -> dict[str, list[dict[str, Any]]]:
    """What happened to a version, by day, the latest first. Comet's own answer, and with it what a reviewer signed."""
    body = await read_json(request, ItemReference)
    row = await ModelStore(database).item(body.registry_model_item_id)
    days: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in reversed(row["history"]):
        decision = decision_of(event)
        days[f"{event['at']:%B} {event['at'].day}, {event['at'].year}"].append(
            {
                "actionType": event["action"],
                "comment": event["comment"] or "",
                "previousValue": event["previous"],
                "newValue": event["new"] | {"changedBy": event["by"]},
                "registryModelItemId": row["_id"],
                "registryModelItemVersion": row["version"],
                "registryModelName": row["name"],
                "userName": event["by"],
                "createdAt": millis(event["at"]),
                "decision": decision and msgspec.to_builtins(decision),
            }
        )
    return days


@get("/registry-model/allowed_status_values", sync_to_thread=False)
def allowed_statuses() -> dict[str, list[str]]:
    """The statuses that a version can have."""
    return {"allowedStatus": list(STATUSES)}


def item_of(row: dict[str, Any]) -> dict[str, Any]:
    """A version as the SDK reads it."""
    return {
        "registryModelItemId": row["_id"],
        "experimentKey": row["experiment"],
        "experimentModel": {"experimentModelName": row["logged_model"], "experimentKey": row["experiment"]},
        "version": row["version"],
        "status": row["status"],
        "tags": row["tags"],
        "stages": row["tags"],
        "comment": row["comment"],
        "createdAt": millis(row["created_at"]),
        "lastUpdated": millis(row["updated_at"]),
    }


route_handlers: list[ControllerRouterHandler] = [
    Router(
        REST,
        route_handlers=[
            create,
            set_metadata,
            configure_status,
            set_status,
            add_tag,
            remove_tag,
            list_models,
            model_details,
            list_versions,
            version_details,
            download_instructions,
            get_metadata,
            get_status_configuration,
            history,
            allowed_statuses,
        ],
        guards=[needs_api_key],
        exception_handlers=ERRORS,
    )
]
