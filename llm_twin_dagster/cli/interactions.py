"""What was asked and answered, what readers said of it, and forgetting both."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from llm_twin_dagster.cli.output import Json, explained, out, print_json, print_table, quiet_line
from llm_twin_dagster.stack import borrow
from twin.errors import UnknownName
from twin.home import Home
from twin.records import utcnow

if TYPE_CHECKING:
    from twin.warehouse import Feedback

__all__ = ["app"]

app = typer.Typer(help="What was asked and answered, and what readers said of it.", no_args_is_help=True)

CELL_CHARS = 60
THUMBS = {0.0: "down", 1.0: "up"}


@app.command("list")
@explained
def list_(
    days: Annotated[int, typer.Option(min=1, max=36_500, help="Of the last so many days.")] = 1,
    rated: Annotated[bool, typer.Option("--rated", help="Only those that a reader said something of.")] = False,
    as_json: Json = False,
) -> None:
    """The interactions of the last days, oldest first, with their feedback."""
    from twin.deployment import Deployment

    home = Home.from_settings()
    with borrow(home, ["mongod"], quiet_line if not as_json else lambda *_: None):
        warehouse = Deployment(home).warehouse
        said = {interaction.id: feedback for interaction, feedback in warehouse.ratings.rated()}
        since = utcnow() - timedelta(days=days)
        found = [one for one in warehouse.interactions.read(since) if one.id in said or not rated]
    if as_json:
        print_json([{"interaction": one, "feedback": said.get(one.id, [])} for one in found])
        return
    print_table(
        ["id", "when", "status", "question", "feedback"],
        [
            [
                one.id,
                one.created_at.isoformat(timespec="seconds"),
                one.status,
                one.question[:CELL_CHARS],
                "; ".join(map(_told, said.get(one.id, []))),
            ]
            for one in found
        ],
        empty=f"Nothing was {'rated' if rated else 'asked'} in the last {days} days.",
    )


@app.command()
@explained
def remove(
    ids: Annotated[list[str], typer.Argument(help="Of `interactions list`.")],
    as_json: Json = False,
) -> None:
    """Delete interactions with all that readers said of them. The next `feedback_dataset` is made without them."""
    from twin.deployment import Deployment

    home = Home.from_settings()
    with borrow(home, ["mongod"], quiet_line if not as_json else lambda *_: None):
        removed = Deployment(home).warehouse.interactions.remove(ids)
    if not removed:
        raise UnknownName("There is no such interaction. `llm-twin interactions list` shows those that there are.")
    if as_json:
        print_json({"removed": removed})
    else:
        out.print(f"Removed {removed} interactions and what was said of them.")


def _told(feedback: Feedback) -> str:
    thumb = "" if feedback.score is None else THUMBS.get(feedback.score, f"{feedback.score:.2f}")
    return " ".join(part for part in (thumb, "corrected" if feedback.correction else "", feedback.comment) if part)
