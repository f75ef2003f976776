"""A person's review at the terminal: the answers blind, who wrote what, the figures, and the decision."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llm_twin_dagster.cli.output import explained, out, print_table, quiet_line
from llm_twin_dagster.stack import borrow
from twin import users
from twin.deployment import Deployment
from twin.errors import InputError
from twin.home import Home
from twin.registry import blind
from twin.registry.comparison import compare
from twin.registry.policy import gate_verdict
from twin.settings import ModelSettings, read

if TYPE_CHECKING:
    from twin.records import ModelVersion
    from twin.registry import ModelRegistry
    from twin.registry.blind import Choice
    from twin.registry.review import ReviewClient

__all__ = ["SERVICES", "Reviewer", "Version", "own_name", "review"]

SERVICES = ["mongod", "console"]
ANSWERS: dict[str, Choice] = {"a": "a", "b": "b", "t": "tie", "tie": "tie"}
VERDICTS = {"a": "approve", "r": "reject", "l": "later", "approve": "approve", "reject": "reject", "later": "later"}

Version = Annotated[str, typer.Argument(help="Such as 1.2.0.")]
Reviewer = Annotated[str | None, typer.Option(help="Who reviews; default: your login name.")]


@explained
def review(version: Version, reviewer: Reviewer = None) -> None:
    """Review a version: pick the better of two answers without knowing whose they are, then see who wrote what, then
    decide. What you chose is kept; the same command goes on where you stopped."""
    if not sys.stdin.isatty():
        raise InputError("A review asks questions, and this is no terminal. The console's review page asks them too.")
    home, name, reviewer = Home.from_settings(), read(ModelSettings).name, reviewer or own_name()
    with borrow(home, SERVICES, quiet_line):
        deployment = Deployment(home)
        registry, reviews = deployment.registry, deployment.review_client()
        found = registry.get(name, version)
        if found.review in ("approved", "rejected"):
            out.print(f"Version {version} was {found.review} already: llm-twin models history {version}")
            return
        if blind.is_possible(found.manifest):
            compare_blind(reviews, found, reviewer)
        else:
            out.print(
                f"A blind review is not possible: fewer than {blind.LEAST_PAIRS} pairs of answers differ. An approval "
                "counts without one."
            )
        show_findings(found, registry)
        decide(reviews, found, reviewer)


def compare_blind(reviews: ReviewClient, version: ModelVersion, reviewer: str) -> None:
    """Asks for each pair that is left, stores each answer at once, and tells the count in the end."""
    ballot = reviews.ballot(version.name, version.version, reviewer=reviewer)
    left = [pair for pair in ballot["pairs"] if pair["choice"] is None]
    if left:
        out.print(
            f"{len(left)} of {len(ballot['pairs'])} pairs are left. Pick the answer that you would rather see "
            "under the author's name; which model wrote which is told at the end."
        )
    for pair in left:
        _show_pair(pair)
        choice = _ask("Better: a, b, or t for a tie", ANSWERS)
        chosen = {pair["number"]: choice}
        ballot = reviews.choose(version.name, version.version, chosen, reviewer=reviewer)
    _show_tally(ballot)


def show_findings(version: ModelVersion, registry: ModelRegistry) -> None:
    """The gate's verdict, the figures, and what differs from the version in production."""
    out.print(f"The gate: {gate_verdict(version.manifest)}.")
    production = next((other for other in registry.in_production(version.name)), None)
    rows = compare(version.manifest, production.manifest if production else {})
    beside = production.version if production else "none in production"
    print_table(
        ["part", "what", version.version, beside],
        [[row.part, row.name, row.a, row.b] for row in rows if row.part == "figures" or (production and row.is_one)],
    )


def decide(reviews: ReviewClient, version: ModelVersion, reviewer: str) -> None:
    """Asks for the decision and its reason, and sends them."""
    verdict = _ask("Approve, reject, or later", VERDICTS)
    if verdict == "later":
        out.print("Nothing was decided; your choices are kept.")
        return
    comment = typer.prompt("Why", type=str)
    act = reviews.approve if verdict == "approve" else reviews.reject
    told = act(version.name, version.version, comment, reviewer=reviewer)
    waits = " More approvals are needed (REVIEW_APPROVALS)." if told.review == "pending" else ""
    out.print(f"Version {version.version} is {told.review} now.{waits}")


def own_name() -> str:
    """Whose decision it is where nobody says so.

    Raises:
        InputError: This user has no name.
    """
    name = users.name()
    if name is None:
        raise InputError("This user has no name on this machine. Say whose decision it is: --reviewer NAME.")
    return name


def _ask(question: str, answers: dict[str, Any]) -> Any:
    while (given := typer.prompt(question, type=str).strip().lower()) not in answers:
        out.print(f"One of: {', '.join(answers)}", markup=False)
    return answers[given]


def _show_pair(pair: dict[str, Any]) -> None:
    for label, text in (
        (f"{pair['number']}. Question", pair["instruction"]),
        ("A", pair["a"]),
        ("B", pair["b"]),
    ):
        out.print(f"\n[bold]{label}[/]")
        out.print(text, markup=False)


def _show_tally(ballot: dict[str, Any]) -> None:
    counted = ballot["tally"]
    out.print(
        f"\nOf {counted['pairs']} pairs: {counted['tuned']} for the tuned model, {counted['base']} for its base, "
        f"{counted['ties']} tied."
    )
    if ballot["interval"]:
        low, high = ballot["interval"]
        out.print(f"The tuned model won {ballot['share']:.0%} of those decided (95%: {low:.0%} to {high:.0%}).")
