"""The part of Comet's HTTP API that the `comet_ml` SDK uses for experiments: handshake, metrics, parameters, assets.

The SDK keeps the path of COMET_URL_OVERRIDE for its logging calls, and only the host of it for everything else, which
goes to `/clientlib/` and `/api/rest/v2/`. So the console serves the first under `/comet/` and `/clientlib/`, where
Comet itself has it, and the rest where the SDK looks for it. The registry's part is `app.console.comet_models`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeAlias

import msgspec
from litestar import MediaType, Request, Response, Router, get, post
from litestar.connection import ASGIConnection
from litestar.datastructures import UploadFile
from litestar.exceptions import NotAuthorizedException
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, QueryParameter
from litestar.types import ControllerRouterHandler, ExceptionHandlersMap

from app.console.dependencies import Database
from app.console.store.comet import MAX_ASSET_BYTES, ExperimentStore
from app.http.bodies import read_json
from app.http.problems import Fault, exception_handlers
from twin.deployment.addresses import COMET_PATH
from twin.errors import InputError

__all__ = ["ERRORS", "REST", "millis", "needs_api_key", "route_handlers"]

CLIENT_PATHS = (COMET_PATH, "/clientlib")
REST = "/api/rest/v2"
BACKEND_VERSION = "4.30.0"
"""The Comet backend whose protocol this is: new enough for metadata and review requests of model versions."""
ALREADY_EXISTS_CODE = 90999
CUSTOM_ERROR_CODE = 7777777
"""Makes the SDK show our message to the user."""
HEARTBEAT_MILLIS = 10_000
MONITOR_MILLIS = 60_000
WORKSPACE = "llm-twin"
"""The default workspace of every key."""
MEGABYTE = 1024 * 1024
MULTIPART_OVERHEAD = MEGABYTE


ExperimentKey: TypeAlias = Annotated[str, QueryParameter(name="experimentKey")]
AssetId: TypeAlias = Annotated[str, QueryParameter(name="assetId")]


Long = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Body(msgspec.Struct, rename="camel"):
    """A request body; unknown fields are ignored, as the SDK sends more of them with every release."""


class AddRun(Body):
    experiment_key: str
    project_name: str | None = None
    team_name: str | None = None
    get_or_create_enabled: bool = False


class GetRun(Body):
    previous_experiment: str


class Status(Body):
    experiment_key: str
    is_alive: bool = msgspec.field(name="is_alive", default=True)


class Tags(Body):
    experiment_key: str
    added_tags: list[str]


class Other(Body):
    experiment_key: str
    key: str
    value: Any = None


class Parameter(Body):
    parameter_name: str
    parameter_value: Any = None


class Parameters(Body):
    experiment_key: str
    values: list[Parameter]


class Metric(Body):
    metric_name: str
    metric_value: Any = None
    step: Long | None = None
    timestamp: Long | None = None


class Metrics(Body):
    experiment_key: str
    values: list[Metric]


def needs_api_key(connection: ASGIConnection, _: BaseRouteHandler) -> None:
    """Any key is good on the local console; none is what a misconfigured SDK sends."""
    if not connection.headers.get("authorization", "").strip():
        raise NotAuthorizedException("Set COMET_API_KEY; any value will do for the local console.")


def answer_in_comets_shape(_: Request, fault: Fault) -> Response:
    """A fault as the SDK reads it: it shows `msg` to the user."""
    body = {"msg": fault.message, "code": fault.status, "sdk_error_code": CUSTOM_ERROR_CODE}
    return Response(body, status_code=fault.status, media_type=MediaType.JSON)


ERRORS: ExceptionHandlersMap = exception_handlers(answer_in_comets_shape)


@get(["/isAlive/ver", "/health/ping"])
async def backend_version(database: Database) -> dict[str, str]:
    """Which backend this is, if what is sent to it would be kept.

    The SDK asks before it uses newer endpoints, and to learn whether its connection is back.
    """
    await database.command("ping")
    return {"version": BACKEND_VERSION}


@post("/logger/add/run", status_code=200)
async def add_run(request: Request, database: Database) -> Response:
    """Starts an experiment."""
    body = await read_json(request, AddRun)
    try:
        await ExperimentStore(database).create(
            body.experiment_key,
            workspace=body.team_name or WORKSPACE,
            project=body.project_name or "general",
            exists_ok=body.get_or_create_enabled,
        )
    except InputError as error:
        return Response({"msg": error.message, "code": 400, "sdk_error_code": ALREADY_EXISTS_CODE}, status_code=400)
    return Response(handshake(request, body.experiment_key))


@post("/logger/get/run", status_code=200)
async def get_run(request: Request, database: Database) -> dict[str, Any]:
    """Continues an experiment."""
    body = await read_json(request, GetRun)
    await ExperimentStore(database).beat(body.previous_experiment, running=True)
    return handshake(request, body.previous_experiment)


def handshake(request: Request, key: str) -> dict[str, Any]:
    """What the SDK needs to know before it logs."""
    limit = MAX_ASSET_BYTES // MEGABYTE
    return {
        "runId": key,
        "project_id": "local",
        "focusUrl": f"{request.base_url}experiments/",
        "lastOffset": 0,
        "featureToggles": [],
        "upload_file_size_limit_in_mb": limit,
        "asset_upload_file_size_limit_in_mb": limit,
    }


@post("/status-report/update", status_code=200)
async def update_status(request: Request, database: Database) -> dict[str, int]:
    """The heartbeat, and the end."""
    body = await read_json(request, Status)
    await ExperimentStore(database).beat(body.experiment_key, running=body.is_alive)
    return {"is_alive_beat_duration_millis": HEARTBEAT_MILLIS, "gpu_monitor_interval_millis": MONITOR_MILLIS}


@post("/tags/add-tags-to-experiment", status_code=200)
async def add_tags(request: Request, database: Database) -> dict[str, Any]:
    """Tags of an experiment."""
    body = await read_json(request, Tags)
    await ExperimentStore(database).add_tags(body.experiment_key, body.added_tags)
    return {}


@post("/batch/logger/experiment/parameter", status_code=200)
async def log_parameters(request: Request, database: Database) -> dict[str, Any]:
    """A batch of parameters, of which the last value counts."""
    body = await read_json(request, Parameters)
    values = {value.parameter_name: value.parameter_value for value in body.values}
    await ExperimentStore(database).log_parameters(body.experiment_key, values)
    return {}


@post("/batch/logger/experiment/metric", status_code=200)
async def log_metrics(request: Request, database: Database) -> dict[str, Any]:
    """A batch of metrics' points."""
    body = await read_json(request, Metrics)
    await ExperimentStore(database).log_metrics(body.experiment_key, [msgspec.to_builtins(v) for v in body.values])
    return {}


@post(
    ["/asset/upload", "/visualizations/upload", "/git-patch/upload"],
    status_code=200,
    request_max_body_size=MAX_ASSET_BYTES + MULTIPART_OVERHEAD,
)
async def upload_asset(request: Request, database: Database) -> dict[str, str]:
    """A file of an experiment."""
    about = request.query_params
    missing = [name for name in ("experimentId", "assetId") if name not in about]
    file = (await request.form()).get("file")
    if missing or not isinstance(file, UploadFile):
        raise InputError(f"An asset needs a multipart part `file` and the parameters experimentId, assetId; {about}.")
    await ExperimentStore(database).put_asset(
        about["experimentId"],
        about["assetId"],
        await file.read(),
        name=about.get("fileName", about["assetId"]),
        kind=about.get("type", "asset"),
        model=about.get("groupingName"),
    )
    return {"assetId": about["assetId"]}


@post(["/asset/3d-limits", "/notification/experiment", "/status-report/offline-metadata"], status_code=200)
async def acknowledge() -> dict[str, Any]:
    """What the SDK tells or asks for its own bookkeeping, which has no effect here."""
    return {}


@post("/write/experiment/log-other", status_code=200)
async def log_other(request: Request, database: Database) -> dict[str, Any]:
    """A named value that is neither parameter nor metric; the experiment's name is one."""
    body = await read_json(request, Other)
    await ExperimentStore(database).log_other(body.experiment_key, body.key, body.value)
    return {}


@post("/write/experiment/{kind:path}", status_code=200)
async def log_detail(kind: FromPath[str], request: Request, database: Database) -> dict[str, Any]:
    """Everything else the SDK can tell of a run (code, git, system, output), kept as it comes."""
    body = await read_json(request, dict[str, Any])
    key = body.get("experimentKey")
    if not isinstance(key, str):
        raise InputError("The body has no `experimentKey`.")
    await ExperimentStore(database).log_detail(key, kind.strip("/"), body)
    return {}


@get("/experiment/metadata")
async def metadata(experiment_key: ExperimentKey, database: Database) -> dict[str, Any]:
    """The experiment as `APIExperiment` reads it."""
    row = await ExperimentStore(database).get(experiment_key)
    return {
        "experimentKey": row["_id"],
        "experimentName": row["name"],
        "projectName": row["project"],
        "projectId": "local",
        "workspaceName": row["workspace"],
        "running": row["running"],
        "startTimeMillis": millis(row["started_at"]),
        "endTimeMillis": millis(row["ended_at"]) if row["ended_at"] else None,
        "archived": False,
        "throttle": False,
    }


@get("/experiment/asset/list")
async def list_assets(experiment_key: ExperimentKey, database: Database) -> dict[str, Any]:
    """The files of an experiment."""
    rows = await ExperimentStore(database).assets(experiment_key)
    return {"assets": [{"assetId": r["_id"], "fileName": r["name"], "fileSize": r["size"]} for r in rows]}


@get("/experiment/asset/get-asset")
async def get_asset(asset_id: AssetId, database: Database) -> Response[bytes]:
    """A file's bytes."""
    row = await ExperimentStore(database).asset(asset_id)
    return Response(bytes(row["content"]), media_type="application/octet-stream")


@get("/account-details", sync_to_thread=False)
def account() -> dict[str, str]:
    """Who the key belongs to."""
    return {"userName": "local", "defaultWorkspaceName": WORKSPACE}


def millis(moment: datetime) -> int:
    """A moment as Comet writes it: milliseconds since 1970."""
    return int(moment.timestamp() * 1_000)


CLIENT_HANDLERS: list[ControllerRouterHandler] = [
    backend_version,
    add_run,
    get_run,
    update_status,
    add_tags,
    log_parameters,
    log_metrics,
    upload_asset,
    acknowledge,
    Router("/rest/v2", route_handlers=[log_detail]),
]
REST_HANDLERS: list[ControllerRouterHandler] = [log_other, log_detail, metadata, list_assets, get_asset, account]

route_handlers: list[ControllerRouterHandler] = [
    Router(path, route_handlers=CLIENT_HANDLERS, guards=[needs_api_key], exception_handlers=ERRORS)
    for path in CLIENT_PATHS
] + [Router(REST, route_handlers=REST_HANDLERS, guards=[needs_api_key], exception_handlers=ERRORS)]
