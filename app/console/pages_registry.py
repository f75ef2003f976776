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
from msgspec import UNSET
from pymongo.asynchronous.database import AsyncDatabase

from app.console.charts import HEIGHT, WIDTH, curve
from app.console.dependencies import DagsterUrl, Database, ReviewerToken, ReviewPolicy
from app.console.layout import page
from app.console.reviewers import reviewer_of
from app.console.store.ballots import Ballot
from app.console.store.comet import ExperimentStore
from app.console.store.comet_models import ModelStore
from app.console.store.reviews import decision_of
from app.console.versions import Reviewed, ballot_of, is_sealed, manifest_of, reviewed
from twin.registry import blind
from twin.registry.comparison import compare
from twin.registry.contract import PRODUCTION
from twin.registry.manifests import decode, numbers
from twin.registry.policy import gate_verdict
from twin.training.program.experiment import RUN

__all__ = ["ScoreRow", "route_handlers", "score_rows"]

FACTS = (
    "uri",
    "folder",
    "job",
    "sha256",
    "base_model",
    "base_sha256",
    "dataset_version",
    "code_version",
    "recipe",
    "hyperparameters",
    "seed",
)
"""The parts of a manifest that a page shows as they are."""

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
async def models_page(database: Database, reviewer_token: ReviewerToken, policy: ReviewPolicy) -> Template:
    """The registered models."""
    store = ModelStore(database)
    models = []
    for model in await store.models():
        versions = await store.versions(model["name"])
        in_production = [
            await reviewed(row, database, reviewer_token, policy) for row in versions if row["status"] == PRODUCTION
        ]
        models.append((model, versions, in_production))
    return page("registry_models.html", active="/models", title="Models", context={"models": models})


@get("/models/{name:str}")
async def model_page(
    name: FromPath[str], database: Database, reviewer_token: ReviewerToken, policy: ReviewPolicy
) -> Template:
    """A model's versions."""
    rows = await ModelStore(database).versions(name)
    found = [await reviewed(row, database, reviewer_token, policy) for row in rows]
    versions = [(version, version.decoded) for version in found]
    return page("registry_model.html", active="/models", title=name, context={"name": name, "versions": versions})


@get("/models/{name:str}/{version:str}")
async def version_page(
    name: FromPath[str],
    version: FromPath[str],
    request: Request,
    database: Database,
    reviewer_token: ReviewerToken,
    policy: ReviewPolicy,
) -> Template:
    """One version: what it is, how it scored, and its review. Scores and answers wait for the blind comparison."""
    store, reviewer = ModelStore(database), reviewer_of(request, reviewer_token)
    shown = await reviewed(await store.version(name, version), database, reviewer_token, policy)
    ballot = await ballot_of(shown, database, reviewer_token, policy, reviewer)
    sealed = is_sealed(shown, ballot)
    context = {
        "row": shown.row,
        "review": shown,
        "needed": policy.approvals,
        "manifest": facts_of(shown.decoded),
        "manifest_sha256": hashlib.sha256(shown.manifest).hexdigest(),
        "gate_verdict": gate_verdict(shown.decoded),
        "can_compare": blind.is_possible(shown.decoded),
        "sealed": sealed,
        "reviewer": reviewer,
        "history": history_of(shown.row, sealed=sealed),
        **({} if sealed else await findings_on(shown, ballot, store, database)),
    }
    return page("registry_version.html", active="/models", title=f"{name} {version}", context=context)


async def findings_on(
    shown: Reviewed, ballot: Ballot | None, store: ModelStore, database: AsyncDatabase[dict[str, Any]]
) -> dict[str, Any]:
    """What a page tells of a version that is not sealed."""
    manifest, name = shown.decoded, shown.row["name"]
    others = [row for row in await store.versions(name, status=PRODUCTION) if row["_id"] != shown.row["_id"]]
    production = others[0] if others else None
    before = decode(await manifest_of(production, database)) if production else {}
    return {
        "ballot": ballot if ballot and ballot.is_complete else None,
        "scores": score_rows(as_dict(manifest.get("scores"))),
        "gate_rows": [row for row in as_list(as_dict(manifest.get("gate")).get("rows")) if isinstance(row, dict)],
        "examples": [example for example in as_list(manifest.get("examples")) if isinstance(example, dict)],
        "production": production,
        "differences": [found for found in compare(manifest, before) if found.is_one] if production else [],
    }


def facts_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a manifest says of how a version was made. What was found about it is not among these, whatever its name."""
    return {name: manifest[name] for name in FACTS if name in manifest}


def history_of(row: Mapping[str, Any], *, sealed: bool) -> list[dict[str, Any]]:
    """A version's events, the latest first. What others said and found waits until one has chosen oneself."""
    events = []
    for event in reversed(row["history"]):
        decision = decision_of(event)
        comment, tally = event["comment"] or "", decision.tally if decision else UNSET
        if sealed and decision:
            comment, tally = "", UNSET
        waiver = decision.waiver if decision and decision.waiver is not UNSET else ""
        events.append({**event, "comment": comment, "tally": None if tally is UNSET else tally, "waiver": waiver})
    return events


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
