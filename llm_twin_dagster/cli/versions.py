"""What a version is, beside another one, as a card, over time, and made again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from llm_twin_dagster.cli.output import Json, explained, fail, log, out, print_json, print_table, quiet_line
from llm_twin_dagster.cli.reviewing import SERVICES, Version
from llm_twin_dagster.stack import borrow
from twin.deployment import Deployment
from twin.home import Home
from twin.registry import KEEP, blind
from twin.registry.card import model_card
from twin.registry.comparison import compare as compared
from twin.settings import ModelSettings, read

if TYPE_CHECKING:
    from twin.records import ModelVersion

__all__ = ["card", "compare", "history", "keep", "reproduce", "sealed", "show"]

SEALED = ("examples", "scores", "gate")
"""What a reviewer is told only once they compared the answers."""


@explained
def show(
    version: Version,
    whole: Annotated[bool, typer.Option("--all", help="Also what a reviewer should not know yet.")] = False,
) -> None:
    """One version with its manifest, as JSON. While it awaits a blind review, scores and answers are left out."""
    home = Home.from_settings()
    with borrow(home, SERVICES, lambda *_: None):
        found = Deployment(home).registry.get(read(ModelSettings).name, version)
    told = found if whole else sealed(found)
    if told is not found:
        log.print(f"Without {', '.join(SEALED)}: llm-twin models review {version}, or --all.", style="dim")
    print_json(told)


def sealed(version: ModelVersion) -> ModelVersion:
    """The version without what a reviewer should not know yet; the version itself where there is no such thing."""
    if version.review in ("approved", "rejected") or not blind.is_possible(version.manifest):
        return version
    facts = {name: value for name, value in version.manifest.items() if name not in SEALED}
    return msgspec.structs.replace(version, manifest=facts)


@explained
def compare(
    a: Annotated[str, typer.Argument(help="A version.")],
    b: Annotated[str, typer.Argument(help="Another one.")],
    as_json: Json = False,
) -> None:
    """Two versions side by side: figures, data, recipe, cost."""
    home, name = Home.from_settings(), read(ModelSettings).name
    with borrow(home, SERVICES, lambda *_: None):
        registry = Deployment(home).registry
        rows = compared(registry.get(name, a).manifest, registry.get(name, b).manifest)
    if as_json:
        print_json(rows)
        return
    print_table(
        ["part", "what", a, b, "differs"],
        [[row.part, row.name, row.a, row.b, "yes" if row.is_one else ""] for row in rows],
        empty="Neither version's manifest names any of this.",
    )


@explained
def card(version: Version) -> None:
    """A version's model card, in markdown: data, base and its licence, figures, limits, reviews."""
    home, name = Home.from_settings(), read(ModelSettings).name
    with borrow(home, SERVICES, lambda *_: None):
        registry = Deployment(home).registry
        sys.stdout.write(model_card(registry.get(name, version), registry.history(name, version)))


@explained
def history(version: Version, as_json: Json = False) -> None:
    """What happened to a version: comparisons, votes and decisions, the oldest first. Nothing is ever taken out."""
    home = Home.from_settings()
    with borrow(home, SERVICES, lambda *_: None):
        happened = Deployment(home).registry.history(read(ModelSettings).name, version)
    if as_json:
        print_json(happened)
        return
    print_table(
        ["when", "what", "by", "comment"], [[one.at, one.what, one.by or "pipeline", one.comment] for one in happened]
    )


@explained
def keep(
    version: Version, release: Annotated[bool, typer.Option("--release", help="Let its weights go again.")] = False
) -> None:
    """Keep a version's weights, whatever `llm-twin models prune` removes."""
    home, name = Home.from_settings(), read(ModelSettings).name
    with borrow(home, SERVICES, quiet_line):
        registry = Deployment(home).registry
        (registry.untag if release else registry.tag)(name, version, KEEP)
    out.print(f"The weights of {version} {'may go' if release else 'are kept'}.")


@explained
def reproduce(version: Version) -> None:
    """Train a version again from its manifest, and say whether the adapter's weights are equal. Publishes nothing.

    Ends with exit code 1 where they are not.
    """
    home, name = Home.from_settings(), read(ModelSettings).name
    from twin.training.job import LocalTrainer
    from twin.training.reproduction import reproduce as train_again

    with borrow(home, SERVICES, quiet_line):
        deployment = Deployment(home)
        manifest = deployment.registry.get(name, version).manifest
        trainer = LocalTrainer(home.cache / "reproduction")
        done = train_again(
            deployment.artifacts,
            manifest,
            deployment.base_model(),
            trainer,
            lambda progress: log.print(str(progress), style="dim", markup=False),
        )
    print_table(
        ["file", "registered", "made now"],
        [
            [file, done.registered.get(file, "")[:16], done.made.get(file, "")[:16]]
            for file in sorted({*done.registered, *done.made})
        ],
    )
    if not done.is_equal:
        fail(
            f"The adapter is another one than that of {version}. Training is repeatable on one machine, with one "
            "number of threads and one set of libraries."
        )
    out.print(f"The adapter's weights are equal to those of {version}; {done.seconds:.0f} s.")
