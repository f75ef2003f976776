"""The pages on models and on experiments."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import Request, get
from litestar.params import FromPath
from litestar.response import Template
from litestar.types import ControllerRouterHandler

from app.console.charts import HEIGHT, WIDTH, curve
from app.console.dependencies import DagsterUrl, Database, ReviewerToken
from app.console.layout import page
from app.console.review import reviewer_of
from app.console.store.comet import ExperimentStore
from app.console.store.comet_models import ModelStore
from app.console.versions import reviewed
from twin.registry.contract import PRODUCTION
from twin.registry.manifests import decode, numbers
from twin.training.program.experiment import RUN

__all__ = ["ScoreRow", "route_handlers", "score_rows"]

SIDES = re.compile(r"(?P<metric>.+)[._](?P<side>base|tuned|reference)")


class ScoreRow(msgspec.Struct, kw_only=True):
    """One metric of the base model, of the tuned one, and of the author; or one plain number."""

    metric: str
    base: float | None = None
    tuned: float | None = None
    reference: float | None = None
    value: float | None = None


def score_rows(scores: Mapping[str, Any]) -> list[ScoreRow]:
    """Rows of `x_base`, `x_tuned`, `x_reference` (nested dicts too) side by side; other numbers by themselves."""
    rows: dict[str, ScoreRow] = {}
    for name, value in numbers(scores).items():
        sided = SIDES.fullmatch(name)
        metric, side = (sided["metric"], sided["side"]) if sided else (name, "value")
        setattr(rows.setdefault(metric, ScoreRow(metric=metric)), side, value)
    return list(rows.values())


@get("/models")
async def models_page(database: Database, reviewer_token: ReviewerToken) -> Template:
    """The registered models."""
    store = ModelStore(database)
    models = []
    for model in await store.models():
        versions = await store.versions(model["name"])
        in_production = [
            await reviewed(row, database, reviewer_token) for row in versions if row["status"] == PRODUCTION
        ]
        models.append((model, versions, in_production))
    return page("registry_models.html", active="/models", title="Models", context={"models": models})


@get("/models/{name:str}")
async def model_page(name: FromPath[str], database: Database, reviewer_token: ReviewerToken) -> Template:
    """A model's versions."""
    found = [await reviewed(row, database, reviewer_token) for row in await ModelStore(database).versions(name)]
    versions = [(version, decode(version.manifest)) for version in found]
    return page("registry_model.html", active="/models", title=name, context={"name": name, "versions": versions})


@get("/models/{name:str}/{version:str}")
async def version_page(
    name: FromPath[str], version: FromPath[str], request: Request, database: Database, reviewer_token: ReviewerToken
) -> Template:
    """One version: what it is, how it scored, and its review."""
    shown = await reviewed(await ModelStore(database).version(name, version), database, reviewer_token)
    manifest = decode(shown.manifest)
    context = {
        "row": shown.row,
        "review": shown,
        "manifest_sha256": hashlib.sha256(shown.manifest).hexdigest(),
        "manifest": {name: value for name, value in manifest.items() if name != "examples"},
        "scores": score_rows(as_dict(manifest.get("scores"))),
        "examples": [example for example in as_list(manifest.get("examples")) if isinstance(example, dict)],
        "reviewer": reviewer_of(request, reviewer_token),
    }
    return page("registry_version.html", active="/models", title=f"{name} {version}", context=context)


@get("/experiments")
async def experiments_page(database: Database) -> Template:
    """The newest experiments."""
    experiments = await ExperimentStore(database).newest()
    return page("experiments.html", active="/experiments", title="Experiments", context={"experiments": experiments})


@get("/experiments/{key:str}")
async def experiment_page(key: FromPath[str], database: Database, dagster_url: DagsterUrl) -> Template:
    """One experiment: its metrics as curves, its parameters and files, and the run that made it."""
    store = ExperimentStore(database)
    row = await store.get(key)
    metrics = await store.metrics(key)
    others = await store.others(key)
    run = others.get(RUN)
    context = {
        "row": row,
        "run": run,
        "run_url": f"{dagster_url}/runs/{quote(str(run), safe='')}" if run and dagster_url else None,
        "curves": [curve(name, points) for name, points in metrics.items() if len(points) > 1],
        "values": [(name, points[0]) for name, points in metrics.items() if len(points) == 1],
        "parameters": await store.parameters(key),
        "others": others,
        "assets": await store.assets(key),
        "width": WIDTH,
        "height": HEIGHT,
    }
    return page("experiment.html", active="/experiments", title=row["name"], context=context)


def as_dict(value: object) -> dict[str, Any]:
    """The value if it is a dict: manifests may come from anyone."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """The value if it is a list."""
    return value if isinstance(value, list) else []


route_handlers: list[ControllerRouterHandler] = [
    models_page,
    model_page,
    version_page,
    experiments_page,
    experiment_page,
]
