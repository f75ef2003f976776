"""`make demo`: documents in, a reviewed and deployed model, an answer with its sources out."""

from __future__ import annotations

import os
import time
from pathlib import Path

import yaml

from llm_twin_dagster import services
from llm_twin_dagster.cli.output import fail, log, out, print_table, quiet_line, step_line
from llm_twin_dagster.cli.questions import STACK, post, print_answer
from llm_twin_dagster.report import rows
from llm_twin_dagster.runs import RunOutcome, run_job
from llm_twin_dagster.stack import borrow
from twin.deployment import Deployment
from twin.errors import InputError, ReviewRequired
from twin.home import Home
from twin.processes import answers, wait_until
from twin.records import ModelVersion
from twin.serving import release
from twin.settings import HomeSettings, ModelSettings, RagSettings, TrainingSettings, read
from twin.training import recipes

__all__ = ["home_of_its_own", "run_demo"]

HANDBOOK = services.PROJECT / "docs"
"""The demo's own corpus."""
DEMO_HOME = Path(".twin-demo")
"""Where it lives when TWIN_HOME is not set: apart from the twin that a person makes of their own documents."""
MARK = "# Written by `llm-twin demo`: this home holds the handbook of the project, and no one's own documents.\n"
DEMO_RECIPE = "demo"
"""What the demo trains with, unless TRAINING_RECIPE says otherwise."""
REVIEWER = "demo"
WAIVER = "make demo"
HELD_OUT_SAMPLES = "12"
"""Of the demo, unless EVALUATION_MAX_SAMPLES says otherwise: too few to call a model good, and a minute's worth."""
READY_SECONDS = 60.0
DEPLOY_ANYWAY = {"ops": {"inference_endpoint": {"config": {"force": True}}}}
"""Who asks for a demonstration asks for the approved model, also after they once rolled back or deleted it."""
DEFAULT_QUESTION = "Why does a person review each model before it is deployed?"
"""For the demo's own corpus, which is this project's docs."""


def run_demo(locations: list[str], author: str | None, question: str | None) -> None:
    """Materialises everything, approves the first model as reviewer `demo`, deploys it and asks it a question.

    Ends with exit code 1, after the table, when a step or the gate failed.
    """
    began = time.monotonic()
    if "recipe" not in read(TrainingSettings).model_fields_set:
        os.environ["TRAINING_RECIPE"] = DEMO_RECIPE
    own = not locations and read(HomeSettings).config_file is None
    home = home_of_its_own() if own else Home.from_settings()
    if "evaluation_samples" not in read(TrainingSettings).model_fields_set:
        os.environ["EVALUATION_MAX_SAMPLES"] = HELD_OUT_SAMPLES
    _print_caps(home)
    with borrow(home, STACK, quiet_line) as urls:
        outcome = run_job(home, "everything", _config(locations, author), on_line=step_line)
        if not outcome.success:
            _finish(outcome, began)
            fail(outcome.error or f"Failed checks: {', '.join(outcome.failed_checks)}")
        _review(home)
        if Deployment(home).endpoint.status().version != _approved(home).version:
            deployed = run_job(home, "deploy", DEPLOY_ANYWAY, on_line=step_line)
            outcome.assets["inference_endpoint"] = deployed.assets["inference_endpoint"]
            if not deployed.success:
                _finish(outcome, began)
                fail(deployed.error or "The model was not deployed.")
        answer = _ask(urls, author, question or (DEFAULT_QUESTION if own else _question_from(home)))
        _finish(outcome, began)
        _show(answer, home)


def home_of_its_own() -> Home:
    """The home of the demo on the handbook, named in this process's TWIN_HOME, with a `twin.yaml` that names it.

    Raises:
        InputError: TWIN_HOME is set to a home with somebody's documents in it.
    """
    settings = read(HomeSettings)
    root = settings.root if "home" in settings.model_fields_set else DEMO_HOME.resolve()
    config = root / "twin.yaml"
    ours = config.is_file() and config.read_text(encoding="utf-8").startswith(MARK)
    if not ours and (config.exists() or Home(root).mongo.exists()):
        raise InputError(
            f"{root} holds a twin of yours, and the demo would mix the handbook into it. Unset TWIN_HOME (the demo "
            f"then uses {DEMO_HOME}), name another with --home, or run the demo on your own documents: "
            "make demo SOURCES=... AUTHOR=..."
        )
    root.mkdir(parents=True, exist_ok=True)
    content = {"authors": [{"name": "The LLM Twin Team", "sources": [str(HANDBOOK)]}]}
    config.write_text(MARK + yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    os.environ["TWIN_HOME"] = str(root)
    return Home(root)


def _print_caps(home: Home) -> None:
    """The caps that make training fit a laptop; the settings behind them are in .env.example."""
    training, rag = read(TrainingSettings), read(RagSettings)
    recipe = recipes.from_settings(training)
    log.print(f"Data in {home.root} (TWIN_HOME). Sized for a CPU:", style="dim", soft_wrap=True)
    log.print(
        f"at most {training.max_samples} passages for training, {recipe.max_steps} steps of {recipe.max_length} "
        f"tokens, {training.evaluation_samples} held-out passages scored, answers of {rag.max_answer_tokens} tokens.",
        style="dim",
        soft_wrap=True,
    )


def _config(locations: list[str], author: str | None) -> dict:
    return {"ops": {"raw_documents": {"config": {"locations": locations, "author": author}}}}


def _approved(home: Home) -> ModelVersion:
    registry, name = Deployment(home).registry, read(ModelSettings).name
    version = registry.approved(name)
    if version is None:
        doubts = "".join(f" {release.doubt(version)}" for version in registry.in_production(name))
        fail(f"No version is approved. See `llm-twin models list`, then `llm-twin models approve VERSION`.{doubts}")
    return version


def _review(home: Home) -> None:
    """Approves the first model by a waiver, which is recorded as one. Later ones are left to a person."""
    deployment = Deployment(home)
    name = read(ModelSettings).name
    newest = deployment.registry.versions(name)[0]
    if newest.review != "pending":
        return
    if deployment.registry.approved(name) is not None:
        step_line("review", f"version {newest.version} awaits yours: llm-twin models approve {newest.version}")
        return
    try:
        review = deployment.review_client()
    except ReviewRequired as error:
        step_line("review", error.message)
        return
    done = review.approve(name, newest.version, reviewer=REVIEWER, waiver=WAIVER)
    if done.review == "approved":
        step_line("review", f"version {newest.version} approved by the demo's waiver, no blind review")
    else:
        step_line("review", f"version {newest.version} awaits more approvals than the demo's waiver (REVIEW_APPROVALS)")


def _ask(urls: dict[str, str], author: str | None, question: str) -> dict:
    wait_until(
        lambda: answers(f"{urls['twin']}/health/ready"),
        what=f"The twin at {urls['twin']}",
        timeout=READY_SECONDS,
        advice="See TWIN_HOME/logs/twin.log.",
    )
    step_line("question", question)
    return post(f"{urls['twin']}/rag", {"query": question, "author": author})


def _question_from(home: Home) -> str:
    """A held-out instruction of this very corpus."""
    from twin.datasets import current

    dataset = current(Deployment(home).artifacts)
    samples = dataset.test or dataset.train
    return samples[0].instruction


def _finish(outcome: RunOutcome, began: float) -> None:
    out.print()
    print_table(["asset", "outcome", "seconds", "figures"], rows(outcome), title="What was made")
    out.print(f"{time.monotonic() - began:.0f} s in all; run {outcome.run_id}")


def _show(answer: dict, home: Home) -> None:
    out.print()
    print_answer(answer)
    out.print()
    up = "make up" if home.root == Path(".twin").resolve() else f"make up TWIN_HOME={_shortest(home.root)}"
    out.print(f"Go on with [bold]{up}[/]: the graph, the chat page, the traces and the review page.")


def _shortest(path: Path) -> str:
    """As one would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
