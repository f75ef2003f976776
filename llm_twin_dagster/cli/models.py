"""Models and their review. A person approves; nothing else in this project does."""

from __future__ import annotations

from typing import Annotated

import typer

from llm_twin_dagster.cli import reviewing, versions
from llm_twin_dagster.cli.output import Json, explained, log, out, print_json, print_table, quiet_line
from llm_twin_dagster.cli.reviewing import SERVICES, Reviewer, Version, own_name
from llm_twin_dagster.stack import borrow
from twin.deployment import Deployment
from twin.home import Home
from twin.registry import PRODUCTION
from twin.registry.review import Review
from twin.serving import release
from twin.settings import ModelSettings, read
from twin.training.pruning import prunable

__all__ = ["app"]

app = typer.Typer(help="Model versions and their review.", no_args_is_help=True)

LOCK_SECONDS = 60
Comment = Annotated[str, typer.Option("--comment", "-m", help="Why; kept with the version.")]


@app.command("list")
@explained
def list_(as_json: Json = False) -> None:
    """Every version, newest first."""
    home = Home.from_settings()
    name = read(ModelSettings).name
    with borrow(home, SERVICES, quiet_line if not as_json else lambda *_: None):
        deployment = Deployment(home)
        found = deployment.registry.versions(name)
        weights = {v.version: deployment.artifacts.exists(v.manifest.get("folder", "")) for v in found}
    if as_json:
        print_json([versions.sealed(version) for version in found])
        return
    print_table(
        ["version", "status", "review", "perplexity base", "tuned", "weights", "created"],
        [
            [
                v.version,
                v.status,
                f"{v.review} (waiver)" if v.review == "approved" and v.waived else v.review,
                _score(v.manifest, "perplexity_base"),
                _score(v.manifest, "perplexity_tuned"),
                "kept" if weights[v.version] else "pruned",
                v.created_at.isoformat(timespec="seconds") if v.created_at else "",
            ]
            for v in found
        ],
        title=name,
        empty=f"There is no version of {name} yet: `llm-twin materialize train` makes one.",
    )
    for version in found:
        if version.status == PRODUCTION and version.review != "approved":
            log.print(release.doubt(version), style="yellow", soft_wrap=True)


app.command()(versions.show)
app.command()(reviewing.review)


@app.command()
@explained
def approve(version: Version, comment: Comment = "", reviewer: Reviewer = None) -> None:
    """Approve a version for production. The approval sensor, or `llm-twin materialize deploy`, deploys it.

    Where its answers can be compared blind, compare them first: `llm-twin models review`.
    """
    if _decide("approve", version, comment, reviewer).review == "pending":
        out.print(f"Approved {version}, which awaits more people's approval (REVIEW_APPROVALS).")
        return
    out.print(f"Approved {version}. With the stack running it is deployed by itself; else: llm-twin materialize deploy")


@app.command()
@explained
def reject(version: Version, comment: Comment = "", reviewer: Reviewer = None) -> None:
    """Reject a version; it is never deployed."""
    _decide("reject", version, comment, reviewer)
    out.print(f"Rejected {version}.")


@app.command()
@explained
def prune(
    keep: Annotated[int, typer.Option(min=0, help="How many of the newest versions keep their weights.")] = 3,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove weights that nothing needs any more. Every version stays in the registry, with its manifest.

    What is served, what a rollback would serve, what is approved or awaits review, what `llm-twin models keep` named,
    and the newest model always stay.
    """
    home = Home.from_settings()
    with borrow(home, SERVICES, quiet_line):
        deployment = Deployment(home)
        with deployment.warehouse.publish_lock("llm-twin models prune", wait_seconds=LOCK_SECONDS):
            served, found = deployment.endpoint.status(), deployment.registry.versions(read(ModelSettings).name)
            models = prunable(deployment.artifacts, found, {served.version, served.previous}, keep=keep)
            print_table(
                ["version", "MB", "folder"],
                [[", ".join(m.versions) or "unregistered", f"{m.bytes / 1e6:.0f}", m.folder] for m in models],
                empty="All weights that are stored are needed.",
            )
            if not models or not (yes or typer.confirm("Remove these weights for good?")):
                return
            for model in models:
                deployment.artifacts.delete_folder(model.folder)
    out.print(f"Removed {sum(m.bytes for m in models) / 1e6:.0f} MB. The manifests stay: `llm-twin models list`.")


app.command()(versions.keep)
app.command()(versions.compare)
app.command()(versions.card)
app.command()(versions.history)
app.command()(versions.reproduce)


def _decide(decision: str, version: str, comment: str, reviewer: str | None) -> Review:
    home, reviewer = Home.from_settings(), reviewer or own_name()
    with borrow(home, SERVICES, quiet_line):
        client = Deployment(home).review_client()
        act = client.approve if decision == "approve" else client.reject
        return act(read(ModelSettings).name, version, comment=comment, reviewer=reviewer)


def _score(manifest: dict, name: str) -> str:
    value = manifest.get("scores", {}).get(name)
    return f"{value:.2f}" if isinstance(value, int | float) else ""
