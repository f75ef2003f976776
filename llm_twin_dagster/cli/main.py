"""The daily verbs."""

from __future__ import annotations

from typing import Annotated

import typer

from llm_twin_dagster.cli import (
    alerts,
    datasets,
    endpoint,
    guarding,
    index,
    interactions,
    models,
    questions,
    sources,
    stack,
    status,
    warehouse,
)
from llm_twin_dagster.cli.output import (
    Json,
    explained,
    fail,
    out,
    prepare,
    print_json,
    quiet_line,
    step_line,
)
from twin.errors import InputError

__all__ = ["app"]

app = typer.Typer(
    name="llm-twin",
    help="Keep an LLM Twin alive: from an author's documents to a deployed model that answers in their voice.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    callback=prepare,
)
app.add_typer(sources.app, name="sources")
app.add_typer(datasets.app, name="datasets")
app.add_typer(models.app, name="models")
app.add_typer(endpoint.app, name="endpoint")
app.add_typer(index.app, name="index")
app.add_typer(warehouse.app, name="warehouse")
app.add_typer(interactions.app, name="interactions")
app.add_typer(alerts.app, name="alerts")
app.command()(stack.up)
app.command()(stack.down)
app.command()(status.status)
app.command()(sources.ingest)
app.command()(questions.search)
app.command()(questions.ask)
app.command()(questions.traces)
app.command()(guarding.guard)


@app.command()
@explained
def doctor(as_json: Json = False) -> None:
    """Check platform, settings and services, and say what to do."""
    from llm_twin_dagster.doctor import examine

    findings = examine()
    if as_json:
        print_json(findings)
    else:
        marks = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "problem": "[red]problem[/]"}
        for finding in findings:
            out.print(f"{marks[finding.state]:>18}  [bold]{finding.what}[/]: ", end="")
            out.print(finding.detail, markup=False)
    if any(finding.state == "problem" for finding in findings):
        raise typer.Exit(1)


@app.command()
@explained
def materialize(
    selection: Annotated[
        list[str] | None,
        typer.Argument(
            help="A job (everything, ingest, train, deploy, monitor) or assets (chunks, +vector_index, group:features)."
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Train even when nothing changed; publish and deploy even what was rolled back from."
        ),
    ] = False,
    spend: Annotated[
        float | None,
        typer.Option(
            "--spend", min=0, help="USD that training on SageMaker may cost, whatever BUDGET_MONTHLY_USD says."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Materialize assets: everything, those of a job, or those that are named. Ends with what was made."""
    from llm_twin_dagster.cli.spending import allowed_to_spend
    from llm_twin_dagster.report import print_run
    from llm_twin_dagster.runs import EVERYTHING, JOBS, run_assets, run_job, selected
    from llm_twin_dagster.stack import borrow
    from twin.home import Home

    wanted = selection or [EVERYTHING]
    names = selected(wanted)
    home = Home.from_settings()
    config = {"ops": _forced(names) if force else {}}
    if "fine_tuned_model" in names and (allowed := allowed_to_spend(home, spend)) is not None:
        config["ops"].setdefault("fine_tuned_model", {"config": {}})["config"]["spend_usd"] = allowed
    on_line = None if as_json else step_line
    with borrow(home, ["mongod", "console", "endpoint"], quiet_line if not as_json else lambda *_: None):
        if wanted[0] in JOBS:
            outcome = run_job(home, wanted[0], config, on_line=on_line)
        else:
            outcome = run_assets(home, names, config, on_line=on_line)
    if as_json:
        print_json(outcome)
    else:
        print_run(outcome)
    if not outcome.success:
        fail(outcome.error or f"Failed checks: {', '.join(outcome.failed_checks)}")


def _forced(names: list[str]) -> dict:
    """The configuration of ops that makes the selected assets that can be forced do their work anyway."""
    can = [name for name in ("vector_index", "fine_tuned_model", "inference_endpoint") if name in names]
    if not can:
        raise InputError("--force is for vector_index, fine_tuned_model and inference_endpoint; none is selected.")
    return {name: {"config": {"force": True}} for name in can}


@app.command()
@explained
def demo(
    locations: Annotated[list[str] | None, typer.Argument(help="Folders, URLs, files; default: twin.yaml")] = None,
    author: Annotated[str | None, typer.Option(help="Whose they are, where they do not say so.")] = None,
    question: Annotated[str | None, typer.Option(help="What to ask at the end.")] = None,
) -> None:
    """The whole path: documents in, a model trained, reviewed and deployed, an answer with its sources out."""
    from llm_twin_dagster.demo import run_demo

    run_demo(locations or [], author, question)
